//! A daemon of two chains that dies, and comes back when one of them does not answer.

use std::{
    process::{Child, Command},
    time::Duration,
};

use crate::{
    cable::Cable,
    chains::{ME, two},
    net::PURSE,
    scene::{PASSWORD, Scene, docker, eventually, naps},
    timeline::Timeline,
};

struct Daemon(Child);

impl Daemon {
    /// `there` is reached by cable.
    fn start(here: &Scene, there: &Scene, cable: &Cable) -> Self {
        let folder = here.folder.path();
        let (config, password) = (folder.join("two.toml"), folder.join("password"));
        std::fs::write(&password, PASSWORD).unwrap();
        let policy = "min_price = 0\ntry_seconds = 0\nallow_private_sources = true";
        let timing = "poll_millis = 50\nmargin_seconds = 2\nconfirmations = 8";
        let me = here.net.key(ME);
        let text = format!(
            "state_dir = {:?}\n[engine]\ndocker = {:?}\n[serve]\nbind = \"127.0.0.1:0\"\n[admin]\nenabled = false\n\
             [capacity]\ncpu_millis = 2000\nmemory_bytes = 1073741824\ndisk_bytes = 1073741824\ntasks = 2\n\
             [[chain]]\nname = \"here\"\nrpc_url = {:?}\nid = 31337\nmarket = \"{}\"\n{timing}\n\
             [chain.provider]\naddress = \"{}\"\nkey = \"{:x}\"\n[chain.policy]\n{policy}\n\
             [[chain]]\nname = \"there\"\nrpc_url = \"{}\"\nid = 31338\nmarket = \"{}\"\n{timing}\n\
             [chain.provider]\naddress = \"{}\"\nkeystore = {:?}\npassword_file = {password:?}\n\
             [chain.policy]\n{policy}\n",
            here.state_dir(ME),
            docker(),
            here.net.anvil.url(),
            here.net.market,
            me.address(),
            me.to_bytes(),
            cable.url,
            there.net.market,
            me.address(),
            there.keystore(ME),
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_piecework-executor"))
            .args(["run", "--config"])
            .arg(config)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL: no goodbye.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_leases_on_both_chains_and_back_while_one_is_silent_it_keeps_its_promise_to_both()
 {
    let (here, there) = two().await;
    let cable = Cable::to(&there).await;
    let daemon = Daemon::start(&here, &there, &cable);
    // Half of the machine for each.
    let half = |scene: &Scene| {
        let mut spec = scene.spec(&["nap", "4000"], 1);
        spec.resources.cpu_millis = 1_000;
        spec
    };
    let (one, two) = (
        here.post(&half(&here)).await,
        there.post(&half(&there)).await,
    );
    eventually("both are claimed", || async {
        here.count(one, "Claimed").await + there.count(two, "Claimed").await == 2
    })
    .await;
    daemon.kill();
    cable.cut();
    let mut all = here.spec(&["nap", "500"], 1);
    all.resources.cpu_millis = 2_000;
    let all = here.post(&all).await;

    let timeline = Timeline::start();
    let daemon = Daemon::start(&here, &there, &cable);
    // What was begun here is finished, though the other chain is silent.
    here.settled(one, 1).await;
    assert_eq!(here.outputs(one).await, naps(1));
    // Half of the machine is promised there: what needs all of it waits, for as long as that is of use.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(here.count(all, "Claimed").await, 0);
    cable.lead_to(&there);
    there.settled(two, 1).await;
    here.settled(all, 1).await;
    assert_eq!(there.outputs(two).await, naps(1));
    daemon.terminate();
    let (_, most) = timeline.busiest(&[(one, 1), (two, 1), (all, 2)]);
    assert_eq!(most, 2, "cores in use at the same time");
    for (scene, jobs) in [(&here, vec![one, all]), (&there, vec![two])] {
        for job in jobs {
            for name in ["Claimed", "Submitted", "Settled"] {
                assert_eq!(scene.count(job, name).await, 1, "{name}");
            }
        }
        let me = scene.net.key(ME).address();
        assert_eq!(scene.free_stake(me).await, PURSE);
    }
}

//! `piecework devnet`: a market on this machine until Ctrl-C.

use crate::cli::DevnetArgs;
use crate::devnet::{Description, Devnet, shapes};
use crate::fail::{Failure, exit};
use crate::file::Announcement;
use crate::output::{Output, say, table};
use crate::signals::Interrupt;

/// Providers that a full jury needs, with the one that is audited.
const AUDITED: usize = 4;

pub(crate) async fn run(output: Output, args: DevnetArgs) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let shapes = shapes(args.executors);
    let mut devnet = tokio::select! {
        devnet = Devnet::start(&shapes, args.port, args.beacon, &args.tools) => devnet?,
        () = interrupt.wait() => return Err(Failure::new("cli-interrupted", "interrupted").exit(exit::INTERRUPTED)),
    };
    let result = serve(output, &mut devnet, &mut interrupt).await;
    say!("Stopping: executors finish what is bonded (Ctrl-C again to stop at once) ...");
    let finished = tokio::select! {
        () = devnet.finish() => Ok(()),
        () = interrupt.wait() => Err(Failure::new("cli-interrupted", "stopped without finishing what was bonded")
            .exit(exit::INTERRUPTED)),
    };
    let ended = devnet.end().await;
    result.and(finished).and(ended)?;
    say!(
        "Stopped; nothing is left behind (except piecework-holder:1 in the container engine, an image of a few bytes)."
    );
    Ok(())
}

async fn serve(
    output: Output,
    devnet: &mut Devnet,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let file = Announcement::write(&devnet.description)?;
    output.result(&devnet.description, || accounts(&devnet.description))?;
    say!(
        "Ready after {:.1} s; described in {}.",
        devnet.started.elapsed().as_secs_f64(),
        file.path().display()
    );
    if devnet.description.providers.len() < AUDITED {
        say!(
            "With fewer than {AUDITED} providers no audit finds its three jurors: jobs that chance has audited end late or contested (--unaudited, --redundant 2/2)."
        );
    }
    say!("In another terminal: piecework run IMAGE -- CMD     Ctrl-C stops everything.");
    tokio::select! {
        () = interrupt.wait() => Ok(()),
        failure = devnet.failed() => Err(failure),
    }
}

fn accounts(devnet: &Description) -> String {
    let mut rows = vec![
        ["account", "address", "private key", "endpoint"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let parties = std::iter::once((&devnet.client, "")).chain(
        devnet
            .providers
            .iter()
            .map(|p| (&p.account, p.endpoint.as_str())),
    );
    for (account, endpoint) in parties {
        rows.push(vec![
            account.name.clone(),
            account.address.to_string(),
            account.private_key.clone(),
            endpoint.into(),
        ]);
    }
    let drand = devnet.drand_urls.iter();
    let drand: String = drand.map(|url| format!("drand   {url}\n")).collect();
    format!(
        "rpc     {}\nmarket  {}\nbeacon  {}\n{drand}token   {}\n\n{}",
        devnet.rpc_url,
        devnet.market,
        devnet.beacon,
        devnet.token,
        table(&rows, &[])
    )
}

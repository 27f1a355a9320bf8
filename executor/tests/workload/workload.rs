//! What the sandbox's tests run inside containers: a program that behaves well or badly on demand.
//! Built by the tests, static, with nothing but the standard library; it may be unsafe, for it
//! stands for a stranger's.

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, exit},
    thread::sleep,
    time::Duration,
};

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
    fn syscall(number: i64, ...) -> i64;
    fn mknod(path: *const std::ffi::c_char, mode: u32, device: u64) -> i32;
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let word = |at: usize| arguments.get(at).map_or("", String::as_str);
    let number = |at: usize| word(at).parse::<u64>().unwrap_or(0);
    match word(1) {
        "hello" => hello(),
        "exit" => exit(number(2) as i32),
        "nap" => nap(number(2)),
        "clock" => clock(),
        "sleep" => stubborn(),
        "oom" => oom(),
        "oom-child" => oom_child(),
        "fork-bomb" => fork_bomb(),
        "fill" => fill(word(2)),
        "files" => files(number(2)),
        "put" => put(word(2)),
        "sparse" => sparse(number(2), number(3)),
        "flood" => flood(),
        "complain" => complain(),
        "shout" => shout(number(2)),
        "write" => write_everywhere(),
        "network" => network(),
        "syscalls" => syscalls(),
        "env" => environment(),
        "show" => show(Path::new(word(2))),
        other => {
            eprintln!("unknown: {other}");
            exit(99);
        }
    }
}

/// Well-behaved: some output of every kind.
fn hello() {
    println!("hello");
    eprintln!("a word on stderr");
    fs::create_dir_all("/out/sub/empty").unwrap();
    fs::write("/out/hello.txt", "hello, world\n").unwrap();
    fs::write("/out/sub/run", "#!/bin/true\n").unwrap();
    fs::set_permissions("/out/sub/run", fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(format!("/out/sub/{}", "ü".repeat(90)), "a long name").unwrap();
    fs::write("/out/nothing", "").unwrap();
}

/// Takes its time, and says which task it was.
fn nap(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds));
    fs::write("/out/task.txt", env::var("PIECEWORK_TASK_INDEX").unwrap()).unwrap();
    eprintln!("slept well");
}

/// Never the same twice.
fn clock() {
    println!("{:?}", std::time::SystemTime::now());
}

/// Ignores SIGTERM.
fn stubborn() {
    unsafe { signal(15, 1) };
    loop {
        sleep(Duration::from_secs(1));
    }
}

fn oom() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1u8; 1 << 20]);
    }
}

/// A child is killed for memory, the parent does not mind.
fn oom_child() {
    let status = Command::new("/proc/self/exe").arg("oom").status();
    println!("child: {}", status.is_ok_and(|status| !status.success()));
}

fn fork_bomb() {
    loop {
        match Command::new("/proc/self/exe").arg("fork-bomb").spawn() {
            Ok(_) => {}
            Err(_) => sleep(Duration::from_millis(10)),
        }
    }
}

fn fill(directory: &str) {
    let mut written = 0u64;
    let error = 'full: loop {
        for number in 0.. {
            let mut file = match File::create(format!("{directory}/{number}")) {
                Ok(file) => file,
                Err(error) => break 'full error,
            };
            for _ in 0..4 {
                match file.write_all(&[7; 64 << 10]) {
                    Ok(()) => written += 64 << 10,
                    Err(error) => break 'full error,
                }
            }
        }
    };
    println!("{written} bytes, then {:?}", error.kind());
    for number in 0..10_000 {
        let _ = fs::remove_file(format!("{directory}/{number}"));
    }
}

fn files(count: u64) {
    for number in 0..count {
        if let Err(error) = File::create(format!("/out/{number}")) {
            println!("{:?}", error.kind());
            // Few enough to be collected.
            for number in 100..number {
                fs::remove_file(format!("/out/{number}")).unwrap();
            }
            return;
        }
    }
}

/// Leaves something in `/out` that must not be collected.
fn put(what: &str) {
    fs::write("/out/file", "content").unwrap();
    let long = "x".repeat(250);
    match what {
        "symlink" => symlink("/etc/passwd", "/out/link").unwrap(),
        "hardlink" => fs::hard_link("/out/file", "/out/link").unwrap(),
        "fifo" => assert_eq!(unsafe { mknod(c"/out/fifo".as_ptr(), 0o010_644, 0) }, 0),
        "socket" => drop(std::os::unix::net::UnixListener::bind("/out/socket").unwrap()),
        "device" => {
            let made = unsafe { mknod(c"/out/null".as_ptr(), 0o020_666, 0x103) };
            println!("mknod: {made}");
        }
        "setuid" => fs::set_permissions("/out/file", fs::Permissions::from_mode(0o4755)).unwrap(),
        "setgid" => fs::set_permissions("/out/file", fs::Permissions::from_mode(0o2755)).unwrap(),
        "sticky" => fs::set_permissions("/out/file", fs::Permissions::from_mode(0o1755)).unwrap(),
        "control" => fs::write("/out/a\nf 1 00 b", "").unwrap(),
        "backslash" => fs::write("/out/..\\..\\file", "").unwrap(),
        "not-utf8" => {
            use std::os::unix::ffi::OsStrExt;
            fs::write(Path::new(std::ffi::OsStr::from_bytes(b"/out/\xff\xfe")), "").unwrap();
        }
        "deep" => fs::create_dir_all(format!("/out{}", "/d".repeat(33))).unwrap(),
        "abyss" => {
            // Deeper than any path can say: seen only from the directory above.
            std::env::set_current_dir("/out").unwrap();
            for _ in 0..300 {
                fs::create_dir(&long).unwrap();
                std::env::set_current_dir(&long).unwrap();
            }
            fs::write("bottom", "").unwrap();
        }
        "long" => {
            fs::create_dir_all(format!("/out/{long}/{long}")).unwrap();
            fs::write(format!("/out/{long}/{long}/{long}"), "").unwrap();
        }
        "mixed" => {
            fs::write("/out/a\u{1}", "").unwrap();
            symlink("nowhere", "/out/z").unwrap();
        }
        "locked" => {
            fs::create_dir("/out/locked").unwrap();
            fs::write("/out/locked/file", "still collected").unwrap();
            fs::set_permissions("/out/locked", fs::Permissions::from_mode(0)).unwrap();
        }
        other => panic!("unknown: {other}"),
    }
}

fn sparse(count: u64, size: u64) {
    // SIGXFSZ, which would kill.
    unsafe { signal(25, 1) };
    for number in 0..count {
        let file = File::create(format!("/out/sparse{number}")).unwrap();
        if let Err(error) = file.set_len(size) {
            println!("{:?}", error.kind());
        }
    }
}

fn flood() {
    let line = [b'.'; 4096];
    loop {
        let _ = std::io::stdout().write_all(&line);
    }
}

fn complain() {
    eprintln!("{}the last words", "noise\n".repeat(5_000));
    exit(7);
}

fn shout(megabytes: u64) {
    let noise = vec![b'!'; 1 << 20];
    for _ in 0..megabytes {
        std::io::stderr().write_all(&noise).unwrap();
    }
    print!("done");
}

fn write_everywhere() {
    for path in ["/x", "/etc/x", "/in/x", "/proc/sys/kernel/hostname", "/sys/x", "/dev/x", "/tmp/x", "/out/x"] {
        println!("{path} {}", fs::write(path, "x").is_ok());
    }
    fs::copy("/proc/self/exe", "/tmp/copy").unwrap();
    fs::set_permissions("/tmp/copy", fs::Permissions::from_mode(0o755)).unwrap();
    println!("execute from /tmp {}", Command::new("/tmp/copy").arg("hello").status().is_ok());
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap();
    println!("cgroups hidden {}", cgroups.lines().all(|line| line.ends_with(":/")));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for line in status.lines().filter(|line| {
        ["Uid:", "Gid:", "Groups:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:"]
            .iter()
            .any(|name| line.starts_with(name))
    }) {
        println!("{line}");
    }
}

fn network() {
    for entry in fs::read_dir("/sys/class/net").unwrap() {
        println!("interface {}", entry.unwrap().file_name().display());
    }
    let address = "192.0.2.1:80".parse().unwrap();
    let reached = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2));
    println!("tcp {:?}", reached.map(|_| ()).map_err(|error| error.kind()));
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    println!("udp {:?}", socket.send_to(b"x", "192.0.2.1:53").map_err(|error| error.kind()));
    println!("loopback {}", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
}

#[cfg(target_arch = "x86_64")]
const SYSCALLS: &[(&str, i64, [u64; 3])] = &[
    ("socket AF_VSOCK", 41, [40, 1, 0]),
    ("socket AF_NETLINK", 41, [16, 3, 0]),
    ("socket AF_PACKET", 41, [17, 3, 0]),
    ("socket AF_ALG", 41, [38, 5, 0]),
    ("socketpair AF_VSOCK", 53, [40, 1, 0]),
    ("io_uring_setup", 425, [1, 0, 0]),
    ("bpf", 321, [0, 0, 0]),
    ("keyctl", 250, [0, 0, 0]),
    ("add_key", 248, [0, 0, 0]),
    ("ptrace", 101, [0, 0, 0]),
    ("process_vm_readv", 310, [1, 0, 0]),
    ("unshare", 272, [0x1000_0000, 0, 0]),
    ("clone CLONE_NEWUSER", 56, [0x1000_0011, 0, 0]),
    ("clone3", 435, [0, 0, 0]),
    ("setns", 308, [0, 0, 0]),
    ("mount", 165, [0, 0, 0]),
    ("fsopen", 430, [0, 0, 0]),
    ("perf_event_open", 298, [0, 0, 0]),
    ("userfaultfd", 323, [0, 0, 0]),
    ("kexec_load", 246, [0, 0, 0]),
    ("open_by_handle_at", 304, [0, 0, 0]),
    ("fanotify_init", 300, [0, 0, 0]),
    ("personality", 135, [0x8, 0, 0]),
    ("kcmp", 312, [0, 0, 0]),
];

#[cfg(target_arch = "aarch64")]
const SYSCALLS: &[(&str, i64, [u64; 3])] = &[
    ("socket AF_VSOCK", 198, [40, 1, 0]),
    ("socket AF_NETLINK", 198, [16, 3, 0]),
    ("io_uring_setup", 425, [1, 0, 0]),
    ("bpf", 280, [0, 0, 0]),
    ("keyctl", 219, [0, 0, 0]),
    ("ptrace", 117, [0, 0, 0]),
    ("unshare", 97, [0x1000_0000, 0, 0]),
    ("clone3", 435, [0, 0, 0]),
    ("mount", 40, [0, 0, 0]),
    ("perf_event_open", 241, [0, 0, 0]),
    ("userfaultfd", 282, [0, 0, 0]),
];

fn syscalls() {
    for (name, number, [a, b, c]) in SYSCALLS {
        let answer = unsafe { syscall(*number, *a, *b, *c, 0u64, 0u64, 0u64) };
        let error = std::io::Error::last_os_error().raw_os_error();
        println!("{name}: {}", if answer < 0 { error.unwrap_or(0) } else { 0 });
    }
}

fn environment() {
    let mut all: Vec<_> = env::vars().collect();
    all.sort();
    for (name, value) in all {
        println!("{name}={value}");
    }
    for file in ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"] {
        println!("--- {file}\n{}", fs::read_to_string(file).unwrap_or_default());
    }
}

fn show(path: &Path) {
    let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let data = fs::metadata(&path).unwrap();
        let age = data.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        println!("{} {:o} {}", path.display(), data.permissions().mode(), age.as_secs());
        if data.is_dir() {
            show(&path);
        } else {
            let mut text = String::new();
            File::open(&path).unwrap().read_to_string(&mut text).unwrap();
            println!("{text:?}");
        }
    }
}

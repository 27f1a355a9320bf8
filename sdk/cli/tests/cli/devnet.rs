//! `piecework devnet` from its start to its end.

use crate::harness::{Devnet, Image};

#[test]
fn one_ctrl_c_stops_all_of_it() {
    let devnet = Devnet::start(2);
    let rpc = devnet.text("/rpc_url");
    let port = rpc.rsplit(':').next().unwrap().to_owned();
    assert_eq!(devnet.json["providers"].as_array().unwrap().len(), 2);
    let file = devnet.home.path().join("state/piecework/devnet.json");
    assert!(file.is_file());
    let address = format!("127.0.0.1:{port}");
    assert!(std::net::TcpStream::connect(&address).is_ok());

    // It is found without any option.
    let ran = devnet.run(&["wallet", "address"]);
    assert_eq!(
        ran.stdout.trim().to_lowercase(),
        devnet.text("/client/address").to_lowercase()
    );

    let (code, said) = devnet.interrupt();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing is left behind"), "{said}");
    assert!(!file.exists());
    assert!(
        std::net::TcpStream::connect(&address).is_err(),
        "anvil still runs"
    );
}

#[test]
fn a_devnet_on_drand_settles_a_redundant_job() {
    let devnet = Devnet::start_with(3, &["--beacon", "drand"]);
    let image = Image::build("drand");
    let url = devnet.text("/drand_urls/0");
    let file = devnet.home.path().join("state/piecework/devnet.json");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(file["drand_urls"], serde_json::json!([url]));
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());

    let ran = devnet.run(&["run", &image.0, "--redundant", "3/2", "--", "--help"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("Paints one tile of one picture.\n"),
        "{}",
        ran.stdout
    );
    let (code, said) = devnet.interrupt();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("drand      {url}")), "{said}");
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "the signer still runs"
    );
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = tempfile::tempdir().unwrap();
    let ran: crate::harness::Ran = crate::harness::piecework(home.path())
        .args(["devnet", "--json", "--port", &port])
        .output()
        .unwrap()
        .into();
    let (code, name, text) = ran.failure();
    assert_eq!((code, name.as_str()), (1, "anvil-not-listening"), "{text}");
}

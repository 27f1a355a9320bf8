//! The server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use piecework_revive::node::Server;
use serde_json::{Value, json};

use crate::{account, number, options};

/// One HTTP request: the status line and the body.
fn http(address: std::net::SocketAddr, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body.as_bytes()); // it may have been refused before it was read
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().into(), body.into())
}

#[test]
fn it_speaks_json_rpc_over_http_and_reads_no_endless_body() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::bind(([127, 0, 0, 1], 0).into(), options(&account(1)));
    let server = runtime.block_on(server).unwrap();
    let address = server.address;
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let every = Some(std::time::Duration::from_millis(200));
    let serving = runtime.spawn(server.serve(every, async move {
        let _ = ended.await;
    }));

    let (_, body) = http(
        address,
        r#"{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#,
    );
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        answer,
        json!({ "jsonrpc": "2.0", "id": 7, "result": "0x7a69" })
    );
    let (_, body) = http(
        address,
        r#"[{"id":1,"method":"net_version"},{"id":2,"method":"eth_x"},3]"#,
    );
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer[0]["result"], "31337");
    assert_eq!(answer[1]["error"]["code"], -32_601);
    assert_eq!(answer[2]["error"]["code"], -32_600);
    for (body, code) in [
        ("", -32_700),
        ("{", -32_700),
        ("[]", -32_600),
        ("{}", -32_600),
    ] {
        let (_, body) = http(address, body);
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    let many = vec![r#"{"id":1,"method":"net_version"}"#; 101].join(",");
    let (_, body) = http(address, &format!("[{many}]"));
    assert!(body.contains("1 to 100 requests at once"));
    let (status, _) = http(address, &" ".repeat(4 * 1024 * 1024 + 1));
    assert!(status.contains("413"), "{status}");

    // Blocks come by themselves.
    std::thread::sleep(std::time::Duration::from_millis(700));
    let (_, body) = http(address, r#"{"id":7,"method":"eth_blockNumber"}"#);
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert!(number(&answer["result"]) >= 2, "{answer}");

    // A port that is taken is told.
    let again = runtime.block_on(Server::bind(address, options(&account(1))));
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("choose another --port")
    );
    drop(end);
    runtime.block_on(serving).unwrap().unwrap();
}

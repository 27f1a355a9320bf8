//! Wallet and provider commands move exactly what they say.

use serde_json::json;

use crate::harness::Devnet;

const TOKEN: u128 = 1_000_000_000_000_000_000;

fn units(tokens: u128) -> String {
    (tokens * TOKEN).to_string()
}

#[test]
fn deposits_stakes_and_withdrawals() {
    let devnet = Devnet::start(1);
    let balance = || devnet.run(&["wallet", "balance", "--json"]).json();
    let before = balance();
    assert_eq!(
        (&before["wallet"], &before["balance"]),
        (&json!(units(1000)), &json!(units(1000)))
    );

    let ran = devnet.run(&["wallet", "deposit", "100", "--json"]);
    assert_eq!((ran.code, &ran.json()["amount"]), (0, &json!(units(100))));
    assert_eq!(devnet.run(&["wallet", "withdraw", "40"]).code, 0);
    assert_eq!(devnet.run(&["provider", "stake", "10"]).code, 0);
    let operator = devnet.text("/providers/0/operator");
    assert_eq!(devnet.run(&["provider", "operator", &operator]).code, 0);
    assert_eq!(devnet.run(&["provider", "unstake", "4"]).code, 0);
    let after = balance();
    assert_eq!(
        (&after["wallet"], &after["balance"]),
        (&json!(units(1000 - 100 + 40 - 10 + 4)), &json!(units(1060)))
    );
    assert_eq!(
        (&after["stake"], &after["stake_free"]),
        (&json!(units(6)), &json!(units(6)))
    );
    let status = devnet.run(&["provider", "status", "--json"]).json();
    assert_eq!(status["stake"], json!(units(6)));
    let url = "https://provider.example.org/";
    assert_eq!(devnet.run(&["provider", "profile", url]).code, 0);
    let status = devnet.run(&["provider", "status", "--json"]).json();
    assert_eq!(status["endpoint"], json!(url));
    let refused = devnet.run(&["provider", "profile", "ftp://provider.example.org/"]);
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("nothing was sent"),
        "{}",
        refused.stderr
    );
    assert_eq!(devnet.run(&["job", "list", "--json"]).json(), json!([]));
}

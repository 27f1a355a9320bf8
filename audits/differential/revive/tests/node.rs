//! The dev node: what wallets and the SDK ask, and what it refuses.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use alloy_primitives::{Address, U256, hex};
use alloy_sol_types::{SolCall, SolError, SolValue};
use pallet_revive::evm::{Account, GenericTransaction};
use piecework_differential::bindings::{Constructor, DevToken, IMarket};
use piecework_differential::world::bytecode;
use piecework_revive::node::{Chain, Options, RpcError, STATES, Server, answer};
use piecework_revive::target::InRevive;
use serde_json::{Value, json};

const CHAIN: u64 = 31_337;

/// A chain, and one account with money on it.
struct Node {
    chain: Chain,
    account: Account,
}

fn options(rich: &Account) -> Options {
    Options {
        chain_id: CHAIN,
        rich: vec![rich.address()],
        balance: pallet_revive::U256::exp10(22),
        automine: true,
    }
}

fn account(number: u8) -> Account {
    Account::from_secret_key([number; 32])
}

fn node() -> Node {
    let account = account(1);
    let chain = Chain::new(&options(&account)).unwrap();
    Node { chain, account }
}

impl Node {
    fn ask(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        answer(&mut self.chain, method, &params)
    }

    fn get(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn number(&mut self, method: &str, params: Value) -> u64 {
        let answer = self.get(method, params);
        number(&answer)
    }

    fn me(&self) -> Address {
        Address::from(self.account.address().0)
    }

    /// A transaction as a wallet fills it in, with this nonce.
    fn filled(&mut self, to: Option<Address>, data: Vec<u8>, nonce: u64) -> GenericTransaction {
        let from = hex::encode_prefixed(self.account.address());
        let mut call = json!({ "from": from, "data": hex::encode_prefixed(&data) });
        if let Some(to) = to {
            call["to"] = json!(to);
        }
        // What would revert is sent with a guess.
        let gas = match self.ask("eth_estimateGas", json!([call])) {
            Ok(gas) => number(&gas),
            Err(_) => 10_000_000,
        };
        GenericTransaction {
            chain_id: Some(CHAIN.into()),
            nonce: Some(nonce.into()),
            to: to.map(|to| pallet_revive::H160(to.into_array())),
            gas: Some(gas.into()),
            max_fee_per_gas: Some(self.number("eth_gasPrice", json!([])).into()),
            max_priority_fee_per_gas: Some(0.into()),
            input: data.into(),
            r#type: Some(2_u8.into()),
            ..Default::default()
        }
    }

    fn sign(&self, tx: GenericTransaction) -> String {
        let tx = self
            .account
            .sign_transaction(tx.try_into_unsigned().unwrap());
        hex::encode_prefixed(tx.signed_payload())
    }

    /// Sends a transaction, which is mined, and returns its receipt.
    fn send(&mut self, to: Option<Address>, data: Vec<u8>) -> Value {
        let me = self.me();
        let nonce = self.number("eth_getTransactionCount", json!([me, "pending"]));
        let tx = self.filled(to, data, nonce);
        let raw = self.sign(tx);
        let hash = self.get("eth_sendRawTransaction", json!([raw]));
        self.get("eth_getTransactionReceipt", json!([hash]))
    }

    /// A token and a market of this code.
    fn market(&mut self, mut code: Vec<u8>) -> (Address, Address) {
        let token = self.send(
            None,
            bytecode(include_str!("../../../../contracts/abi/DevToken.json")),
        );
        let token: Address = serde_json::from_value(token["contractAddress"].clone()).unwrap();
        let arguments = Constructor {
            token,
            feeGovernor: self.me(),
            feeRecipient: self.me(),
            feeBps: 100,
            times: IMarket::Times {
                drawTime: 60,
                drawStep: 15,
                revealWindow: 300,
                respondWindow: 600,
                stakeAge: 0,
            },
        };
        code.extend(arguments.abi_encode_params());
        let market = self.send(None, code);
        (
            token,
            serde_json::from_value(market["contractAddress"].clone()).unwrap(),
        )
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn a_market_is_deployed_used_and_read() {
    used_and_read(bytecode(include_str!(
        "../../../../contracts/abi/Market.json"
    )));
}

#[test]
fn an_ink_market_is_deployed_used_and_read() {
    match InRevive::ink() {
        Some(ink) => used_and_read(ink.code),
        None => println!("WITHOUT ink!: no contract was built"),
    }
}

fn used_and_read(code: Vec<u8>) {
    let mut node = node();
    let (token, market) = node.market(code);
    let me = node.me();
    assert_ne!(node.get("eth_getCode", json!([market, "latest"])), "0x");
    let amount = U256::from(900);
    let done = node.send(
        Some(token),
        DevToken::mintCall { to: me, amount }.abi_encode(),
    );
    assert_eq!(done["status"], "0x1");
    let value = U256::MAX;
    node.send(
        Some(token),
        DevToken::approveCall {
            spender: market,
            value,
        }
        .abi_encode(),
    );
    let deposit = IMarket::depositCall {
        account: me,
        amount: 700,
    };
    let done = node.send(Some(market), deposit.abi_encode());
    assert_eq!(
        (&done["status"], done["logs"].as_array().unwrap().len()),
        (&json!("0x1"), 2)
    );

    // The same log by its receipt and by a filter: address, topic, block.
    let log = &done["logs"][1];
    let filter =
        json!({ "address": market, "topics": [[log["topics"][0]], null], "fromBlock": "earliest" });
    assert_eq!(node.get("eth_getLogs", json!([filter])), json!([log]));
    let elsewhere = json!({ "address": token, "topics": [log["topics"][0]], "fromBlock": "0x0" });
    assert_eq!(node.get("eth_getLogs", json!([elsewhere])), json!([]));
    let block = node.get("eth_getBlockByNumber", json!([done["blockNumber"], true]));
    assert_eq!(block["hash"], done["blockHash"]);
    assert_eq!(block["transactions"][0]["hash"], done["transactionHash"]);
    let tx = node.get("eth_getTransactionByHash", json!([done["transactionHash"]]));
    assert_eq!(tx, block["transactions"][0]);
    assert_eq!(tx["input"], hex::encode_prefixed(deposit.abi_encode()));

    let data = hex::encode_prefixed(IMarket::balanceOfCall { account: me }.abi_encode());
    let word = node.get(
        "eth_call",
        json!([{ "to": market, "data": data }, "latest"]),
    );
    assert_eq!(word, hex::encode_prefixed(700_u128.abi_encode()));

    // What reverts says so before it is sent, with the market's own words, and in its receipt if it is sent.
    let withdraw = IMarket::withdrawCall {
        to: me,
        amount: 701,
    }
    .abi_encode();
    let call = json!({ "from": me, "to": market, "data": hex::encode_prefixed(&withdraw) });
    for method in ["eth_call", "eth_estimateGas"] {
        let error = node.ask(method, json!([call])).unwrap_err();
        let data = error.data.unwrap();
        assert_eq!(
            (error.code, &data[..4]),
            (3, &IMarket::InsufficientBalance::SELECTOR[..])
        );
    }
    let done = node.send(Some(market), withdraw);
    assert_eq!(
        (&done["status"], &done["failure"]),
        (&json!("0x0"), &json!("ContractReverted"))
    );
    let left = node.get(
        "eth_call",
        json!([{ "to": market, "data": data }, "latest"]),
    );
    assert_eq!(left, word);
    assert!(number(&done["gasUsed"]) > 0);
    let wei = node.get("eth_getBalance", json!([me, "latest"]));
    assert_ne!(wei, "0x21e19e0c9bab2400000", "fees were paid");
}

#[test]
fn what_is_not_a_transaction_of_this_chain_is_refused_and_nothing_is_mined() {
    let mut node = node();
    let me = node.me();
    node.send(Some(me), Vec::new());
    let good = node.filled(Some(me), Vec::new(), 1);
    let with = |change: fn(&mut GenericTransaction)| {
        let mut tx = good.clone();
        change(&mut tx);
        tx
    };
    let cases = [
        (
            with(|tx| tx.chain_id = Some(1.into())),
            "invalid chain id: the transaction is for 1, this is 31337",
        ),
        (
            with(|tx| tx.nonce = Some(0.into())),
            "nonce too low: next nonce 1, tx nonce 0",
        ),
        (
            with(|tx| tx.max_fee_per_gas = Some(1.into())),
            "max fee per gas 1 less than block base fee",
        ),
        (with(|tx| tx.gas = Some(1.into())), "intrinsic gas too low"),
        (
            with(|tx| tx.value = Some(pallet_revive::U256::exp10(30))),
            "insufficient funds for gas * price + value",
        ),
    ];
    let before = node.number("eth_blockNumber", json!([]));
    for (tx, words) in cases {
        let raw = node.sign(tx);
        let error = node
            .ask("eth_sendRawTransaction", json!([raw]))
            .unwrap_err();
        assert!(error.message.contains(words), "{}", error.message);
    }
    for raw in ["0x", "0x00", "0xc0", "0x02c0", "0x7fffffff"] {
        let error = node
            .ask("eth_sendRawTransaction", json!([raw]))
            .unwrap_err();
        assert!(
            error.message.starts_with("this is no signed transaction"),
            "{raw}: {error}"
        );
    }
    // Nobody without money.
    let poor = Node {
        chain: Chain::new(&options(&account(9))).unwrap(),
        account: account(1),
    };
    let mut poor = poor;
    let tx = good.clone();
    let raw = poor.sign(GenericTransaction {
        nonce: Some(0.into()),
        ..tx
    });
    let error = poor
        .ask("eth_sendRawTransaction", json!([raw]))
        .unwrap_err();
    assert!(error.message.contains("insufficient funds"), "{error}");
    assert_eq!(node.number("eth_blockNumber", json!([])), before);
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let mut node = node();
    node.get("evm_mine", json!([]));
    let cases = [
        (
            "eth_sign",
            json!([]),
            -32_601,
            "this node has no method eth_sign",
        ),
        (
            "eth_getBalance",
            json!([]),
            -32_602,
            "parameter 1 is missing: an address",
        ),
        (
            "eth_getBalance",
            json!(["0x12"]),
            -32_602,
            "parameter 1 is not an address",
        ),
        (
            "eth_getBalance",
            json!({ "address": 1 }),
            -32_602,
            "the parameters are not a list",
        ),
        (
            "eth_getBlockByNumber",
            json!(["newest"]),
            -32_602,
            "names no block",
        ),
        (
            "eth_call",
            json!([{ "to": 5 }]),
            -32_602,
            "parameter 1 is not a call",
        ),
        ("eth_call", json!([{}, "0x9"]), -32_602, "there is no block"),
        (
            "eth_getLogs",
            json!([{ "fromBlock": "0x1", "toBlock": "0x0" }]),
            -32_602,
            "after its last",
        ),
        (
            "anvil_mine",
            json!(["0xffffffff"]),
            -32_602,
            "blocks at once at most",
        ),
    ];
    for (method, params, code, words) in cases {
        let error = node.ask(method, params).unwrap_err();
        assert_eq!(error.code, code, "{method}: {error}");
        assert!(error.message.contains(words), "{method}: {error}");
    }
    assert_eq!(
        node.get("eth_getBlockByNumber", json!(["0x9"])),
        Value::Null
    );
    assert_eq!(node.number("eth_blockNumber", json!([])), 1);
}

#[test]
fn time_passes_when_it_is_told_to_and_never_back() {
    let mut node = node();
    let time = |node: &mut Node| {
        let block = node.get("eth_getBlockByNumber", json!(["latest"]));
        number(&block["timestamp"])
    };
    let before = time(&mut node);
    node.get("evm_increaseTime", json!([3_600]));
    node.get("evm_mine", json!([]));
    let later = time(&mut node);
    assert!((before + 3_600..before + 3_660).contains(&later));
    node.get("evm_setNextBlockTimestamp", json!([later + 1_000]));
    node.get("evm_mine", json!([]));
    assert_eq!(time(&mut node), later + 1_000);
    let error = node.ask("evm_setNextBlockTimestamp", json!([later]));
    assert!(error.unwrap_err().message.contains("before the last block"));
    // A call sees the time of the block that would come: TIMESTAMP, and no 0 where a market must have one.
    node.get("anvil_mine", json!(["0x3", "0xa"]));
    assert!(time(&mut node) >= later + 1_020);
    assert_eq!(node.number("eth_blockNumber", json!([])), 5);
    let pending = node.get("eth_getBlockByNumber", json!(["pending"]));
    assert_eq!(number(&pending["number"]), 6);
}

/// Creation code of a contract that answers NUMBER and TIMESTAMP.
const CLOCK: &str = "600d600c600039600d6000f3436000524260205260406000f3";

#[test]
fn older_states_are_read_as_they_were_and_the_oldest_are_gone() {
    let mut node = node();
    let me = node.me();
    let clock = node.send(None, hex::decode(CLOCK).unwrap());
    let clock: Address = serde_json::from_value(clock["contractAddress"].clone()).unwrap();
    let (token, market) = node.market(bytecode(include_str!(
        "../../../../contracts/abi/Market.json"
    )));
    let amount = U256::from(900);
    let mint = DevToken::mintCall { to: me, amount }.abi_encode();
    let balance = hex::encode_prefixed(DevToken::balanceOfCall { account: me }.abi_encode());
    // Each block mints 900 more, 100 seconds later; its state is noted while it is the last.
    let facts = |node: &mut Node, block: &Value| {
        let held = json!([{ "to": token, "data": balance }, block]);
        [
            node.get("eth_call", held),
            node.get("eth_getBalance", json!([me, block])),
            node.get("eth_getTransactionCount", json!([me, block])),
            node.get("eth_getCode", json!([market, block])),
            node.get("eth_call", json!([{ "to": clock }, block])),
        ]
    };
    let before_the_market = node.number("eth_blockNumber", json!([])) - 1;
    let mut noted = Vec::new();
    for count in 1..=5_u64 {
        node.get("evm_increaseTime", json!([100]));
        let block = node.send(Some(token), mint.clone())["blockNumber"].clone();
        let known = facts(&mut node, &block);
        assert_eq!(
            known[0],
            hex::encode_prefixed(U256::from(900 * count).abi_encode())
        );
        let time = node.get("eth_getBlockByNumber", json!([block]))["timestamp"].clone();
        let moment = (U256::from(number(&block)), U256::from(number(&time))).abi_encode();
        assert_eq!(known[4], hex::encode_prefixed(moment));
        assert!(noted.iter().all(|(_, other): &(Value, [Value; 5])| {
            (0..5).all(|fact| fact == 3 || other[fact] != known[fact])
        }));
        noted.push((block, known));
    }
    let code = json!([market, format!("{before_the_market:#x}")]);
    assert_eq!(node.get("eth_getCode", code), "0x");

    // What is set by hand is of the last block, not of those before it.
    let (last, _) = noted.pop().unwrap();
    node.get("anvil_setBalance", json!([me, "0xde0b6b3a7640000"]));
    let set = node.get("eth_getBalance", json!([me, last]));
    assert_eq!(set, "0xde0b6b3a7640000");
    noted.push((last.clone(), facts(&mut node, &last)));
    let all_as_noted = |node: &mut Node| {
        for (block, known) in &noted {
            assert_eq!(&facts(node, block), known, "block {block}");
            let mined = node.get("eth_getBlockByNumber", json!([block]));
            let by_hash = json!({ "blockHash": mined["hash"] });
            assert_eq!(&facts(node, &by_hash), known, "block {block} by its hash");
        }
    };
    all_as_noted(&mut node);

    // As many blocks as let the first noted one be the oldest that is kept.
    let first = number(&noted[0].0);
    let most = u64::try_from(STATES).unwrap();
    node.send(Some(token), mint);
    let so_far = number(&last) + 1 - first;
    node.get("anvil_mine", json!([most - 1 - so_far]));
    all_as_noted(&mut node);
    let error = node
        .ask("eth_getBalance", json!([me, format!("{:#x}", first - 1)]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the state of block {} is gone: this node keeps those of the last 64 blocks, now {first} to {}; \
             ask for one of them, or for latest",
            first - 1,
            first + most - 1
        )
    );
    node.get("evm_mine", json!([]));
    for method in ["eth_getBalance", "eth_getCode", "eth_getTransactionCount"] {
        let error = node.ask(method, json!([me, noted[0].0])).unwrap_err();
        assert!(error.message.contains("is gone"), "{method}: {error}");
    }
    let error = node.ask("eth_call", json!([{ "to": clock }, noted[0].0]));
    assert_eq!(error.unwrap_err().code, -32_000);
    // Reading older states changed nothing.
    let held = node.get("eth_call", json!([{ "to": token, "data": balance }]));
    assert_eq!(held, hex::encode_prefixed(U256::from(900 * 6).abi_encode()));
}

#[test]
fn transactions_wait_for_their_turn() {
    let mut node = node();
    let me = node.me();
    let tx = |node: &mut Node, nonce: u64| {
        let tx = node.filled(Some(me), Vec::new(), nonce);
        let raw = node.sign(tx);
        node.get("eth_sendRawTransaction", json!([raw]))
    };
    // The second one came first: it waits.
    let second = tx(&mut node, 1);
    assert_eq!(
        node.get("eth_getTransactionReceipt", json!([second])),
        Value::Null
    );
    let waiting = node.get("eth_getTransactionByHash", json!([second]));
    assert_eq!(
        (&waiting["hash"], &waiting["blockHash"]),
        (&second, &Value::Null)
    );
    let first = tx(&mut node, 0);
    for hash in [first, second] {
        assert_eq!(
            node.get("eth_getTransactionReceipt", json!([hash]))["status"],
            "0x1"
        );
    }
    // Without automine both wait for a block; one of the same nonce must pay more.
    node.get("evm_setAutomine", json!([false]));
    let before = node.number("eth_blockNumber", json!([]));
    tx(&mut node, 2);
    let third = tx(&mut node, 3);
    assert_eq!(
        node.number("eth_getTransactionCount", json!([me, "pending"])),
        4
    );
    assert_eq!(
        node.number("eth_getTransactionCount", json!([me, "latest"])),
        2
    );
    let mut again = node.filled(Some(me), Vec::new(), 3);
    again.value = Some(1.into());
    let raw = node.sign(again.clone());
    let error = node
        .ask("eth_sendRawTransaction", json!([raw]))
        .unwrap_err();
    assert_eq!(error.message, "replacement transaction underpriced");
    again.max_fee_per_gas = again.max_fee_per_gas.map(|fee| fee + fee);
    let raw = node.sign(again);
    let fourth = node.get("eth_sendRawTransaction", json!([raw]));
    node.get("evm_mine", json!([]));
    assert_eq!(node.number("eth_blockNumber", json!([])), before + 1);
    assert_eq!(
        node.get("eth_getTransactionReceipt", json!([third])),
        Value::Null
    );
    let receipt = node.get("eth_getTransactionReceipt", json!([fourth]));
    assert_eq!(
        (&receipt["status"], &receipt["transactionIndex"]),
        (&json!("0x1"), &json!("0x1"))
    );
    assert!(number(&receipt["cumulativeGasUsed"]) > number(&receipt["gasUsed"]));
}

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

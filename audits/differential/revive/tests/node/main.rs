//! The dev node: what wallets and the SDK ask, and what it refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod beacon;
mod blocks;
mod http;
mod market;
mod queue;
mod refused;

use alloy_primitives::{Address, hex};
use alloy_sol_types::SolValue;
use pallet_revive::evm::{Account, GenericTransaction};
use piecework_differential::bindings::{Constructor, least_times};
use piecework_differential::code::token;
use piecework_revive::node::{Chain, Options, RpcError, answer};
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

    /// Deploys a contract; its address.
    fn deploy(&mut self, code: Vec<u8>) -> Address {
        let done = self.send(None, code);
        assert_eq!(done["status"], "0x1", "{done}");
        serde_json::from_value(done["contractAddress"].clone()).unwrap()
    }

    /// A token and a market of this code, whose seeds come from this beacon.
    fn market(&mut self, mut code: Vec<u8>, beacon: Address) -> (Address, Address) {
        let token = self.deploy(token());
        let arguments = Constructor {
            token,
            beacon,
            feeGovernor: self.me(),
            feeRecipient: self.me(),
            feeBps: 100,
            times: least_times(),
            devnet: true,
        };
        code.extend(arguments.abi_encode_params());
        (token, self.deploy(code))
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

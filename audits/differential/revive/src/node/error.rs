//! What a request is refused with.

use pallet_revive::EthTransactError;
use pallet_revive::evm::decode_revert_reason;
use serde_json::{Value, json};

/// An error of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// Its code: 3 for a call that reverts, as Ethereum's nodes have it.
    pub code: i64,
    /// What happened.
    pub message: String,
    /// What the call reverted with.
    pub data: Option<Vec<u8>>,
}

impl RpcError {
    /// A request that cannot be understood, or asks for what there is not.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: -32_602,
            message: message.into(),
            data: None,
        }
    }

    /// A method that this node does not have.
    pub fn no_such_method(method: &str) -> Self {
        Self {
            code: -32_601,
            message: format!("this node has no method {method}"),
            data: None,
        }
    }

    /// A transaction, or a call, that the chain does not take.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            code: -32_000,
            message: message.into(),
            data: None,
        }
    }

    /// As it is sent.
    pub fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(fields)) = (&self.data, error.as_object_mut()) {
            let data = alloy_primitives::hex::encode_prefixed(data);
            fields.insert("data".into(), data.into());
        }
        error
    }
}

impl From<EthTransactError> for RpcError {
    fn from(error: EthTransactError) -> Self {
        match error {
            EthTransactError::Data(data) => Self {
                code: 3,
                message: match decode_revert_reason(&data) {
                    Some(reason) => format!("execution reverted: {reason}"),
                    None => "execution reverted".into(),
                },
                data: Some(data),
            },
            EthTransactError::Message(message) => Self::refused(message),
        }
    }
}

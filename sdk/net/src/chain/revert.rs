//! Why a contract refused, in an error of the node.

use alloy::transports::{RpcError, TransportErrorKind};
use piecework_core::chain::{Revert, decode_revert};

/// The contract's refusal in an error of the node, if it is one.
pub fn decode_error(error: &RpcError<TransportErrorKind>) -> Option<Revert> {
    let payload = error.as_error_resp()?;
    if let Some(data) = payload.as_revert_data() {
        return Some(decode_revert(&data));
    }
    // A revert without data, or a node that puts the reason into the message only.
    let (_, reason) = payload.message.split_once("execution reverted")?;
    let reason = reason.trim_start_matches([':', ' ', ',']).trim();
    let reason = crate::terminal::line(reason, super::error::MAX_WORDS);
    Some(Revert::plain(&reason))
}

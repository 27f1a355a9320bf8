//! What a node means by the words with which it refuses a transaction.

/// Why a node does not take a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The account cannot pay for its gas.
    Funds,
    /// It pays too little for a unit of gas.
    Underpriced,
    /// Another reason.
    Other,
}

/// Words for a transaction that the node, or a block, has already.
const KNOWN: &[&str] = &[
    "already known",
    "alreadyknown",
    "already imported",
    "known transaction",
    "nonce too low",
    "nonce is too low",
    "oldnonce",
    "transaction is outdated",
];
const FUNDS: &[&str] = &[
    "insufficient funds",
    "insufficientfunds",
    "insufficient balance",
    "exceeds account balance",
    "exceeds balance",
    "exceeds the balance",
    "inability to pay",
];
const UNDERPRICED: &[&str] = &[
    "underpriced",
    "feetoolow",
    "fee too low",
    "less than block base fee",
    "below configured minimum gas price",
    "gas price too low",
    "priority is too low",
];

/// What these words refuse. `None`: nothing is refused, a look at receipt and nonce says more.
pub(super) fn refusal(words: &str) -> Option<Refusal> {
    let words = words.to_lowercase();
    let says = |list: &[&str]| list.iter().any(|part| words.contains(part));
    if says(KNOWN) {
        None
    } else if says(FUNDS) {
        Some(Refusal::Funds)
    } else if says(UNDERPRICED) {
        Some(Refusal::Underpriced)
    } else {
        Some(Refusal::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_nodes_are_understood() {
        for (words, meant) in [
            // geth, reth, erigon
            ("already known", None),
            ("nonce too low: next nonce 5, tx nonce 3", None),
            (
                "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
                Some(Refusal::Funds),
            ),
            (
                "replacement transaction underpriced",
                Some(Refusal::Underpriced),
            ),
            (
                "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7",
                Some(Refusal::Underpriced),
            ),
            ("txpool is full", Some(Refusal::Other)),
            // anvil
            ("transaction already imported", None),
            (
                "Insufficient funds for gas * price + value",
                Some(Refusal::Funds),
            ),
            // Nethermind, Besu
            ("AlreadyKnown", None),
            ("OldNonce", None),
            ("Known transaction", None),
            ("Upfront cost exceeds account balance", Some(Refusal::Funds)),
            ("FeeTooLowToCompete", Some(Refusal::Underpriced)),
        ] {
            assert_eq!(refusal(words), meant, "{words}");
        }
    }
}

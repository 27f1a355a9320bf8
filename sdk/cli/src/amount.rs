//! Amounts of tokens, as people write them.

use std::str::FromStr;

use alloy::primitives::utils::{ParseUnits, format_units, parse_units};

/// An amount in whole tokens with a decimal fraction, as it was typed. How many units that is
/// depends on the token's decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amount(String);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmountError {
    #[error("not an amount of tokens: digits are expected, and at most one decimal point")]
    Form,
    #[error("{0} tokens: the token has only {1} decimals")]
    TooFine(String, u8),
    #[error("{0} tokens are more than the market keeps")]
    TooLarge(String),
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if whole.is_empty() || fraction.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(AmountError::Form);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Amount {
    /// In the token's smallest unit.
    pub(crate) fn units(&self, decimals: u8) -> Result<u128, AmountError> {
        let fraction = self.0.split_once('.').map_or("", |(_, fraction)| fraction);
        if fraction.trim_end_matches('0').len() > usize::from(decimals) {
            return Err(AmountError::TooFine(self.0.clone(), decimals));
        }
        let too_large = || AmountError::TooLarge(self.0.clone());
        match parse_units(&self.0, decimals).map_err(|_| too_large())? {
            ParseUnits::U256(units) => u128::try_from(units).map_err(|_| too_large()),
            ParseUnits::I256(_) => Err(too_large()),
        }
    }
}

/// Units as tokens, with as many decimals as are needed.
pub(crate) fn tokens(units: u128, decimals: u8) -> String {
    let Ok(text) = format_units(units, decimals) else {
        return format!("{units} units");
    };
    match text.split_once('.') {
        None => text,
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn units(text: &str) -> Result<u128, AmountError> {
        text.parse::<Amount>()?.units(18)
    }

    #[test]
    fn tokens_become_units() {
        assert_eq!(units("1"), Ok(10u128.pow(18)));
        assert_eq!(units("0.000000000000000001"), Ok(1));
        assert_eq!(units("1.50"), Ok(15 * 10u128.pow(17)));
        assert_eq!("2.5".parse::<Amount>().unwrap().units(1), Ok(25));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "", ".", "1.", ".5", "-1", "+1", "1e3", "0x10", "1,5", "1 ", "1.2.3",
        ] {
            assert_eq!(units(text), Err(AmountError::Form), "{text:?}");
        }
        assert!(matches!(
            units("0.0000000000000000001"),
            Err(AmountError::TooFine(..))
        ));
        assert!(matches!(
            units(&"9".repeat(60)),
            Err(AmountError::TooLarge(_))
        ));
        assert!(matches!(
            units(&"9".repeat(90)),
            Err(AmountError::TooLarge(_))
        ));
    }

    #[test]
    fn units_become_tokens() {
        assert_eq!(tokens(15 * 10u128.pow(17), 18), "1.5");
        assert_eq!(tokens(10u128.pow(20), 18), "100");
        assert_eq!(tokens(1, 18), "0.000000000000000001");
        assert_eq!(tokens(7, 0), "7");
    }
}

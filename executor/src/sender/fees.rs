//! What is paid for gas.

use alloy::{eips::eip1559::Eip1559Estimation, providers::Provider as _};

use super::{Inner, SendError};

/// EIP-1559 fees, wei for a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub(super) max: u128,
    pub(super) tip: u128,
}

impl Fees {
    fn capped(self, cap: u128) -> Self {
        Self {
            max: self.max.min(cap),
            tip: self.tip.min(self.max).min(cap),
        }
    }

    /// What replaces an attempt: nodes ask for at least a tenth more of both; at least what the
    /// market asks now, at most `cap`. `None` when the cap leaves no room.
    pub(super) fn bumped(self, market: Self, cap: u128) -> Option<Self> {
        let raised = |fee: u128| {
            fee.saturating_add(fee.div_ceil(8))
                .max(fee.saturating_add(1))
        };
        let (max, tip) = (raised(self.max), raised(self.tip));
        (max <= cap).then(|| {
            Self {
                max: max.max(market.max),
                tip: tip.max(market.tip),
            }
            .capped(cap)
        })
    }
}

impl Inner {
    pub(super) async fn market_fees(&self) -> Result<Fees, SendError> {
        let Eip1559Estimation {
            max_fee_per_gas,
            max_priority_fee_per_gas,
        } = self.provider.estimate_eip1559_fees().await?;
        Ok(Fees {
            max: max_fee_per_gas,
            tip: max_priority_fee_per_gas,
        }
        .capped(self.timing.max_fee_per_gas))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_pays_an_eighth_more_of_both_and_never_over_the_cap() {
        let market = Fees { max: 10, tip: 1 };
        let old = Fees {
            max: 1_000,
            tip: 80,
        };
        assert_eq!(
            old.bumped(market, 10_000),
            Some(Fees {
                max: 1_125,
                tip: 90
            })
        );
        assert_eq!(
            old.bumped(
                Fees {
                    max: 5_000,
                    tip: 500
                },
                2_000
            ),
            Some(Fees {
                max: 2_000,
                tip: 500
            })
        );
        assert_eq!(old.bumped(market, 1_124), None);
        assert_eq!(
            Fees { max: 1, tip: 0 }.bumped(market, 100),
            Some(Fees { max: 10, tip: 1 })
        );
    }
}

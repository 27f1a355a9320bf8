//! The runtime: FRAME's system, balances, time, fees, and pallet-revive with EVM bytecode allowed. Its limits are those of a
//! parachain's block; prices are small, so that nobody has to be rich.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)] // mostly generated

use frame_support::traits::{ConstU64, VariantCountOf};
use frame_support::weights::constants::{RocksDbWeight, WEIGHT_REF_TIME_PER_SECOND};
use frame_support::weights::{FixedFee, Weight};
use frame_support::{construct_runtime, derive_impl, parameter_types};
use pallet_revive::AccountId32Mapper;
use pallet_revive::evm::fees::{BlockRatioFee, Info};
use pallet_revive::evm::runtime::{EthExtra, SetWeightLimit};
use pallet_revive::evm::tx_extension::SetOrigin;
use pallet_transaction_payment::{ChargeTransactionPayment, ConstFeeMultiplier, Multiplier};
use sp_runtime::generic::Header;
use sp_runtime::traits::{AccountIdLookup, BlakeTwo256, InvalidVersion, One};
use sp_runtime::{AccountId32, MultiAddress, MultiSignature};

/// In the smallest unit.
pub type Balance = u128;
/// Who signs.
pub type Address = MultiAddress<AccountId32, ()>;
/// A block.
pub type Block = sp_runtime::generic::Block<Header<u64, BlakeTwo256>, UncheckedExtrinsic>;
/// What is done around each transaction.
pub type Extension = (
    frame_system::CheckNonce<Runtime>,
    ChargeTransactionPayment<Runtime>,
    SetOrigin<Runtime>,
);
/// What a block consists of; Ethereum's transactions are wrapped in it.
pub type UncheckedExtrinsic =
    pallet_revive::evm::runtime::UncheckedExtrinsic<Address, MultiSignature, Ethereum>;

/// How Ethereum's transactions become the runtime's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ethereum;

impl EthExtra for Ethereum {
    type Config = Runtime;
    type ExtensionV0 = Extension;
    type ExtensionOtherVersions = InvalidVersion;

    fn get_eth_extension(nonce: u32, tip: Balance) -> Extension {
        (
            frame_system::CheckNonce::from(nonce),
            ChargeTransactionPayment::from(tip),
            SetOrigin::new_from_eth_transaction(),
        )
    }
}

construct_runtime!(
    pub enum Runtime {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Balances: pallet_balances,
        TransactionPayment: pallet_transaction_payment,
        Revive: pallet_revive,
    }
);

parameter_types! {
    /// Two seconds and 10 MiB of proof: as on Polkadot's Asset Hub.
    pub BlockWeights: frame_system::limits::BlockWeights =
        frame_system::limits::BlockWeights::simple_max(
            Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, 10 * 1024 * 1024),
        );
    pub const ExistentialDeposit: Balance = 1;
    pub const DepositPerByte: Balance = 1;
    pub const DepositPerItem: Balance = 2;
    pub FeeMultiplier: Multiplier = Multiplier::one();
    /// One unit of gas is 100,000 ps of computation, so that amounts of gas mean about what they mean on Ethereum: the 5
    /// million that the market gives a verifier are half a second. With the pallet's default, 10, they would be 50 us, and
    /// no verifier could answer.
    pub const GasScale: u32 = 100_000;
    /// Kept in storage, so that a chain can be forked.
    pub storage ChainId: u64 = 31_337;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type BlockWeights = BlockWeights;
    type DbWeight = RocksDbWeight;
    type AccountId = AccountId32;
    type Lookup = AccountIdLookup<AccountId32, ()>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Runtime {
    type MinimumPeriod = ConstU64<1>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Runtime {
    type Balance = Balance;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
}

#[derive_impl(pallet_transaction_payment::config_preludes::TestDefaultConfig)]
impl pallet_transaction_payment::Config for Runtime {
    type OnChargeTransaction = pallet_transaction_payment::FungibleAdapter<Balances, ()>;
    type WeightToFee = BlockRatioFee<1, 1, Self, Balance>;
    type LengthToFee = FixedFee<100, Balance>;
    type FeeMultiplierUpdate = ConstFeeMultiplier<FeeMultiplier>;
}

#[derive_impl(pallet_revive::config_preludes::TestDefaultConfig)]
impl pallet_revive::Config for Runtime {
    type Time = Timestamp;
    type AddressMapper = AccountId32Mapper<Self>;
    type Balance = Balance;
    type Currency = Balances;
    type DepositPerByte = DepositPerByte;
    type DepositPerItem = DepositPerItem;
    type DepositPerChildTrieItem = DepositPerItem;
    type UploadOrigin = frame_system::EnsureSigned<AccountId32>;
    type InstantiateOrigin = frame_system::EnsureSigned<AccountId32>;
    type ChainId = ChainId;
    type GasScale = GasScale;
    type FeeInfo = Info<Address, MultiSignature, Ethereum>;
}

impl TryFrom<RuntimeCall> for pallet_revive::Call<Runtime> {
    type Error = ();

    fn try_from(call: RuntimeCall) -> Result<Self, ()> {
        match call {
            RuntimeCall::Revive(call) => Ok(call),
            _ => Err(()),
        }
    }
}

impl SetWeightLimit for RuntimeCall {
    fn set_weight_limit(&mut self, limit: Weight) -> Weight {
        match self {
            Self::Revive(
                pallet_revive::Call::eth_call { weight_limit, .. }
                | pallet_revive::Call::eth_instantiate_with_code { weight_limit, .. },
            ) => std::mem::replace(weight_limit, limit),
            _ => Weight::default(),
        }
    }
}

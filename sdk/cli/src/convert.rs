//! Errors of the libraries as the command shows them. Their texts say what happened to the money.

use piecework::chain::ChainError;
use piecework::chain::deployment::DeploymentError;
use piecework::chain::keys::KeyError;
use piecework::devnet::AnvilError;

use crate::amount::AmountError;
use crate::fail::Failure;

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        Self::new(error.code(), &error)
    }
}

impl From<DeploymentError> for Failure {
    fn from(error: DeploymentError) -> Self {
        Self::new(error.code(), &error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::new(error.code(), &error)
    }
}

impl From<AnvilError> for Failure {
    fn from(error: AnvilError) -> Self {
        Self::new(error.code(), &error)
    }
}

impl From<piecework_executor::Error> for Failure {
    fn from(error: piecework_executor::Error) -> Self {
        Self::new(error.code(), &error)
    }
}

impl From<piecework::Error> for Failure {
    fn from(error: piecework::Error) -> Self {
        let failure = Self::new(error.code(), &error);
        if error.code() != "image-engine" {
            return failure;
        }
        let engine =
            std::env::var("DOCKER_HOST").unwrap_or_else(|_| "its default socket".to_owned());
        failure.next(format!(
            "The container engine was asked at {engine}; DOCKER_HOST names another one."
        ))
    }
}

impl From<AmountError> for Failure {
    fn from(error: AmountError) -> Self {
        Self::new("cli-amount", &error).money("Nothing was sent.")
    }
}

//! Keeps services running: back-off after a failure, and a clear end after too many.

use std::{fmt::Display, future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// Failures in a row after which a service is given up.
const TOO_MANY: u32 = 8;
/// A service that ran this long has recovered.
const RECOVERED: Duration = Duration::from_secs(60);

/// A service that was given up.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp {
    pub(crate) service: &'static str,
    pub(crate) times: u32,
    pub(crate) why: String,
}

/// An error that may pass by itself, however long it takes: of a disk that is full, above all.
pub(crate) trait MayPass {
    /// Whether it may.
    fn may_pass(&self) -> bool {
        false
    }
}

/// Why a service ended.
enum Ended<E> {
    Failed(E),
    Panicked,
}

impl<E: Display> Display for Ended<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked => f.write_str("it panicked: please report the lines above"),
        }
    }
}

/// Runs `service` again and again until `cancel`; tells `failed` why each time it fails and when it is started again,
/// and `given_up` when it fails for good.
pub(crate) async fn supervise<F, T, E>(
    name: &'static str,
    cancel: CancellationToken,
    given_up: watch::Sender<Option<GivenUp>>,
    failed: impl Fn(&str, Duration),
    mut service: impl FnMut() -> F,
) where
    F: Future<Output = Result<T, E>>,
    E: Display + MayPass,
{
    let mut failures = 0u32;
    loop {
        let started = Instant::now();
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            result = AssertUnwindSafe(service()).catch_unwind() => result,
        };
        let error = match result {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => Ended::Failed(error),
            Err(_) => Ended::Panicked,
        };
        let passes = matches!(&error, Ended::Failed(error) if error.may_pass());
        failures = match started.elapsed() > RECOVERED || passes {
            true => 1,
            false => failures + 1,
        };
        let why = error.to_string();
        if failures >= TOO_MANY {
            tracing::error!(service = name, why, "given up");
            given_up.send_replace(Some(GivenUp {
                service: name,
                times: failures,
                why,
            }));
            return;
        }
        let wait = Duration::from_millis(250).saturating_mul(1 << failures.min(7));
        tracing::warn!(
            service = name,
            why,
            ?wait,
            "a service failed and is started again"
        );
        failed(&why, wait);
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::cell::Cell;

    use super::*;

    impl MayPass for &str {
        fn may_pass(&self) -> bool {
            *self == "no room"
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_is_waited_for_and_a_panic_is_a_failure() {
        let (given_up, seen) = watch::channel(None);
        let runs = Cell::new(0u32);
        let cancel = CancellationToken::new();
        let service = || {
            runs.set(runs.get() + 1);
            let run = runs.get();
            async move {
                if run <= 100 {
                    return Err::<(), _>("no room");
                }
                panic!("on purpose");
            }
        };
        supervise("loop", cancel, given_up, |_, _| {}, service).await;
        assert_eq!(runs.get(), 100 + TOO_MANY - 1);
        assert!(seen.borrow().clone().unwrap().why.contains("panicked"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_started_again_and_given_up_after_too_many_failures() {
        let (given_up, seen) = watch::channel(None);
        let runs = Cell::new(0);
        let service = || {
            runs.set(runs.get() + 1);
            async { Err::<(), _>("disk full") }
        };
        let told = Cell::new(0);
        let failed = |why: &str, _| {
            assert_eq!(why, "disk full");
            told.set(told.get() + 1);
        };
        let cancel = CancellationToken::new();
        supervise("store", cancel, given_up, failed, service).await;
        assert_eq!((runs.get(), told.get()), (TOO_MANY, TOO_MANY - 1));
        let end = seen.borrow().clone().unwrap();
        assert_eq!((end.service, end.why.as_str()), ("store", "disk full"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_recovers_may_fail_again() {
        let (given_up, seen) = watch::channel(None);
        let runs = Cell::new(0);
        let cancel = CancellationToken::new();
        let service = || {
            runs.set(runs.get() + 1);
            let (run, cancel) = (runs.get(), cancel.clone());
            async move {
                tokio::time::sleep(Duration::from_secs(61)).await;
                if run == 20 {
                    cancel.cancel();
                }
                Err::<(), _>("now and then")
            }
        };
        supervise("chain", cancel.clone(), given_up, |_, _| {}, service).await;
        assert_eq!(runs.get(), 20);
        assert!(seen.borrow().is_none());
    }
}

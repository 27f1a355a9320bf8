//! What is known of one endpoint, and which endpoint is asked first.

use std::time::Duration;

use tokio::time::Instant;

/// Rest after a first failure; it doubles with each further one in a row.
const FIRST_REST: Duration = Duration::from_millis(500);
/// Longest rest after a failure.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// How an endpoint has done so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// The highest block that it has shown.
    head: u64,
    /// Failures in a row.
    failures: u32,
    /// Until then it is asked only when no other one is left.
    rests_until: Option<Instant>,
    /// Its newest block lies in the future, or it serves another chain: it is asked last of all.
    distrusted: bool,
}

impl Health {
    /// It has answered.
    pub(super) fn works(&mut self) {
        self.failures = 0;
        self.rests_until = None;
    }

    /// It has failed, or it asks for rest. Calls that were under way together and fail together count as one failure.
    pub(super) fn rests(&mut self, now: Instant, asked_for: Option<Duration>) {
        if self.rest_left(now).is_zero() {
            self.failures = self.failures.saturating_add(1);
        }
        let doubled = FIRST_REST.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        // No rest at all would be a call every few milliseconds.
        let rest = asked_for.unwrap_or(doubled).clamp(FIRST_REST, LONGEST_REST);
        self.rests_until = self.rests_until.max(Some(now + rest));
    }

    /// Its newest block has this number.
    pub(super) fn shows(&mut self, head: u64) {
        self.head = head;
        self.distrusted = false;
    }

    /// Its answers contradict the clock, or the others.
    pub(super) fn distrust(&mut self) {
        self.head = 0;
        self.distrusted = true;
    }

    /// How much rest is left.
    pub(super) fn rest_left(&self, now: Instant) -> Duration {
        self.rests_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// The order in which endpoints are asked: those nearest to the chain's head first, for the others do not know its last
/// blocks; then those that rest, last those that are distrusted. Among equals the owner's order counts.
pub(super) fn order(endpoints: &[Health], now: Instant) -> Vec<usize> {
    let best = endpoints
        .iter()
        .map(|health| health.head)
        .max()
        .unwrap_or(0);
    let mut places: Vec<(usize, &Health)> = endpoints.iter().enumerate().collect();
    places.sort_by_key(|(place, health)| {
        let rest = health.rest_left(now);
        (health.distrusted, rest, best - health.head, *place)
    });
    places.into_iter().map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn endpoints_at_the_head_come_first_and_the_distrusted_last() {
        let now = Instant::now();
        let mut all = vec![Health::default(); 4];
        assert_eq!(order(&all, now), [0, 1, 2, 3]);
        for (place, head) in [(0, 90), (1, 100), (2, 98), (3, 100)] {
            if let Some(health) = all.get_mut(place) {
                health.shows(head);
            }
        }
        assert_eq!(order(&all, now), [1, 3, 2, 0]);
        if let Some(health) = all.get_mut(1) {
            health.rests(now, None);
        }
        if let Some(health) = all.get_mut(2) {
            health.distrust();
        }
        assert_eq!(order(&all, now), [3, 0, 1, 2]);
        tokio::time::advance(FIRST_REST).await;
        assert_eq!(order(&all, Instant::now()), [1, 3, 0, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn rest_doubles_and_ends() {
        let mut health = Health::default();
        for expected in [500, 1_000, 2_000, 4_000] {
            let now = Instant::now();
            // Three calls at the same time are one failure.
            for _ in 0..3 {
                health.rests(now, None);
                assert_eq!(health.rest_left(now), Duration::from_millis(expected));
            }
            tokio::time::advance(Duration::from_millis(expected)).await;
        }
        for _ in 0..40 {
            health.rests(Instant::now(), None);
            tokio::time::advance(health.rest_left(Instant::now())).await;
        }
        health.rests(Instant::now(), None);
        assert_eq!(health.rest_left(Instant::now()), LONGEST_REST);
        // What an endpoint asks for counts, within bounds.
        for (asked, given) in [
            (Duration::from_secs(3), Duration::from_secs(3)),
            (Duration::from_secs(86_400), LONGEST_REST),
            (Duration::ZERO, FIRST_REST),
        ] {
            health.works();
            assert_eq!(health.rest_left(Instant::now()), Duration::ZERO);
            health.rests(Instant::now(), Some(asked));
            assert_eq!(health.rest_left(Instant::now()), given);
        }
    }
}

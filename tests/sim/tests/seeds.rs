//! Random counties by seed. `ACCORD_SIM_SEED=n` repeats one; `ACCORD_SIM_SEEDS=n` runs the first n.

use accord_sim::chaos;

/// Seeds that once failed, with what they found; each is run for ever.
const FAILED_ONCE: &[u64] = &[];

#[test]
fn random_counties_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("ACCORD_SIM_SEED") {
        Some(seed) => vec![seed],
        None => FAILED_ONCE.iter().copied().chain(1..=number("ACCORD_SIM_SEEDS").unwrap_or(200)).collect(),
    };
    for seed in seeds {
        chaos::run(seed);
    }
}

//! The programs of `timers`, and what they need of an engine.

mod btree;
#[cfg(has_libev)]
mod libev;
#[cfg(has_libevent)]
mod libevent;
#[cfg(has_libuv)]
mod libuv;
mod tokio;
mod wakeful;
mod wheel;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Result};

use super::Engine;
use crate::stats::{median, percentile};
use crate::system::{thread_time, Usage};
use crate::workloads::timers::{Overshoot, Timers as Job};
use crate::workloads::{values, Values};

/// A number of timers, none of them armed at first, each known by its index.
trait Timers: Sized {
    /// A point in time as the library counts it: converting is not measured.
    type Deadline: Copy + PartialOrd;
    /// Whether timers expire in the order of their deadlines.
    const IN_ORDER: bool;
    /// Whether a timer counts from when it is inserted, whenever its deadline was converted.
    const IS_RELATIVE: bool = false;

    fn new(timers: usize) -> Result<Self>;
    fn deadline(&self, time: Instant) -> Self::Deadline;
    fn insert(&mut self, timer: usize, deadline: Self::Deadline) -> Result<()>;
    fn reset(&mut self, timer: usize, deadline: Self::Deadline) -> Result<()>;
    fn cancel(&mut self, timer: usize) -> Result<()>;
    /// Appends those that are due by now. Only their number counts if they are not in order.
    fn expire(&mut self, expired: &mut Vec<usize>) -> Result<()>;
}

pub fn run(engine: Engine, job: &Job) -> Result<Values> {
    match engine {
        Engine::Wakeful => measure::<wakeful::Wakeful>(job),
        Engine::Tokio => measure::<tokio::Tokio>(job),
        #[cfg(has_libuv)]
        Engine::Libuv => measure::<libuv::Libuv>(job),
        #[cfg(has_libevent)]
        Engine::Libevent => measure::<libevent::Libevent>(job),
        #[cfg(has_libev)]
        Engine::Libev => measure::<libev::Libev>(job),
        Engine::Btree => measure::<btree::Btree>(job),
        Engine::Wheel => measure::<wheel::Wheel>(job),
        _ => bail!("{} has no timers", engine.name()),
    }
}

fn measure<T: Timers>(job: &Job) -> Result<Values> {
    let mut timers = T::new(job.timers)?;
    let mut random = Random(1);
    let (mut insert, mut reset, mut cancel, mut expire) = (vec![], vec![], vec![], vec![]);

    // What is touched first is slow for reasons of its own: the first cycle warms up. The last one is not timed but
    // marked, for the traced run.
    for cycle in 0..job.cycles + 2 {
        let is_marked = cycle == job.cycles + 1;
        let far = Instant::now() + Duration::from_secs(60);
        let window = Duration::from_secs(3_540);
        let first = random_deadlines(&timers, far, window, job, &mut random);
        let second = random_deadlines(&timers, far, window, job, &mut random);
        let (one_order, other_order) = (random.order(job.timers), random.order(job.timers));

        let mut arm = || {
            let mut numbered = (0..).zip(&first);
            numbered.try_for_each(|(timer, &deadline)| timers.insert(timer, deadline))
        };
        if is_marked {
            Usage::now();
            arm()?;
        } else {
            insert.push(each(job, arm)?);
        }
        let mut rearm = || {
            let mut moves = one_order.iter().zip(&second);
            moves.try_for_each(|(&timer, &deadline)| timers.reset(timer as usize, deadline))
        };
        if is_marked {
            rearm()?;
        } else {
            reset.push(each(job, rearm)?);
        }
        let mut disarm = || {
            let mut order = other_order.iter();
            order.try_for_each(|&timer| timers.cancel(timer as usize))
        };
        if is_marked {
            disarm()?;
            Usage::now();
        } else {
            cancel.push(each(job, disarm)?);
        }
    }
    let both = insert.iter().zip(&cancel).map(|(a, b)| a + b).collect();

    for _ in 0..1 + job.cycles {
        // Enough to arm the last before the first is due; but it is no error if that takes longer.
        let window = Duration::from_millis(2) + Duration::from_micros(1) * job.timers as u32;
        let soon = Instant::now() + window;
        let deadlines = random_deadlines(&timers, soon, window, job, &mut random);
        for (timer, &deadline) in deadlines.iter().enumerate() {
            timers.insert(timer, deadline)?;
        }
        // What counts from its insertion ends later; and what counts milliseconds, or by a clock of some, rounds up.
        let end = match T::IS_RELATIVE {
            true => Instant::now() + 2 * window + Duration::from_millis(12),
            false => soon + window + Duration::from_millis(3),
        };
        thread::sleep(end.saturating_duration_since(Instant::now()));
        let mut expired = Vec::with_capacity(job.timers);
        expire.push(each(job, || {
            while expired.len() < job.timers {
                timers.expire(&mut expired)?;
            }
            Ok(())
        })?);
        check::<T>(expired, &deadlines)?;
    }

    let warm = |all: Vec<f64>| median(&all[1..]);
    Ok(values([
        ("insert", warm(insert)),
        ("move", warm(reset)),
        ("cancel", warm(cancel)),
        ("insert and cancel", warm(both)),
        ("expire", warm(expire)),
        ("operations", 3.0 * job.timers as f64),
    ]))
}

/// All expired, once, and in order.
fn check<T: Timers>(mut expired: Vec<usize>, deadlines: &[T::Deadline]) -> Result<()> {
    ensure!(expired.len() == deadlines.len(), "timers expired twice");
    if T::IN_ORDER {
        let are_sorted = expired
            .windows(2)
            .all(|pair| deadlines[pair[0]] <= deadlines[pair[1]]);
        ensure!(are_sorted, "timers expired in a wrong order");
        expired.sort_unstable();
        ensure!(
            expired.into_iter().eq(0..deadlines.len()),
            "timers expired twice, others never"
        );
    }
    Ok(())
}

/// Nanoseconds of this thread's CPU time for each timer: nothing here waits, and who else uses the core does not count.
fn each(job: &Job, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = thread_time();
    work()?;
    Ok((thread_time() - start).as_nanos() as f64 / job.timers as f64)
}

fn random_deadlines<T: Timers>(
    timers: &T,
    first: Instant,
    window: Duration,
    job: &Job,
    random: &mut Random,
) -> Vec<T::Deadline> {
    let mut deadline = || timers.deadline(first + random.below(window));
    (0..job.timers).map(|_| deadline()).collect()
}

pub fn overshoot(engine: Engine, job: &Overshoot) -> Result<Values> {
    match engine {
        Engine::Wakeful | Engine::WakefulPoll => wakeful::overshoot(job),
        Engine::Tokio => tokio::overshoot(job),
        #[cfg(has_libuv)]
        Engine::Libuv => libuv::overshoot(job),
        #[cfg(has_libevent)]
        Engine::Libevent => libevent::overshoot(job),
        #[cfg(has_libev)]
        Engine::Libev => libev::overshoot(job),
        _ => bail!("{} has no timers", engine.name()),
    }
}

/// How late single timers were.
pub struct Lateness;

impl Lateness {
    /// Waits for a random time, again and again; `wait` returns the deadline when it has passed.
    pub fn of_each(
        job: &Overshoot,
        mut wait: impl FnMut(Duration) -> Result<Instant>,
    ) -> Result<Values> {
        let mut random = Random(2);
        let mut late = Vec::with_capacity(job.timers);
        Usage::now();
        for _ in 0..job.timers {
            let shortest = Duration::from_micros(50);
            let deadline = wait(shortest + random.below(Duration::from_micros(4_950)))?;
            let now = Instant::now();
            let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
            late.push(match now.checked_duration_since(deadline) {
                Some(late) => micros(late),
                None => -micros(deadline - now),
            });
        }
        Usage::now();
        let early = late.iter().filter(|&&late| late < 0.0).count();
        Ok(values([
            ("p50", median(&late)),
            ("p99", percentile(&late, 0.99)),
            ("early", 100.0 * early as f64 / job.timers as f64),
            ("operations", job.timers as f64),
        ]))
    }
}

/// SplitMix64: the same numbers for every engine.
///
/// G. L. Steele, D. Lea, C. H. Flood, *Fast splittable pseudorandom number generators*, 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, window: Duration) -> Duration {
        Duration::from_nanos(self.next() % window.as_nanos() as u64)
    }

    /// The numbers up to `length`, shuffled.
    fn order(&mut self, length: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..length as u32).collect();
        for last in (1..length).rev() {
            order.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
        order
    }
}

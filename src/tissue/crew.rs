//! Several threads on the short loops of one tick.
//!
//! A tick is some two hundred loops of ten to a hundred microseconds, and to wake a sleeping thread for each costs more than it brings. So a tick
//! calls its helpers once; until it ends, they and the caller take the blocks of the loop under way from one counter. Blocks are cut the same
//! way on any number of threads, and what a block finds goes where its number says: nothing depends on who took it. The caller never waits
//! for a helper that has taken nothing, so on a busy machine it simply does everything itself.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Looks at the counter before a waiting thread offers its core to others.
const LOOKS: u32 = 300;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// What the caller and its helpers share.
#[derive(Default)]
struct Board {
    /// Blocks of the loop under way in the upper half, the next one to take in the lower.
    ticket: AtomicU64,
    finished: AtomicUsize,
    work: UnsafeCell<Option<&'static Work<'static>>>,
    is_over: AtomicBool,
}

// SAFETY: `work` is written by the one `Crew` of the board, and only while no block is taken and not finished; it is read only between
// taking a block and finishing it. Taking acquires what the caller released with the ticket.
unsafe impl Sync for Board {}

/// Counts a block as finished, also when its work panics.
struct Finish<'a>(&'a AtomicUsize);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

fn split(ticket: u64) -> (usize, usize) {
    ((ticket >> 32) as usize, (ticket & 0xffff_ffff) as usize)
}

impl Board {
    /// Takes one block and does it; the answer is whether there was one.
    fn take(&self) -> bool {
        let ticket = self.ticket.load(Ordering::Acquire);
        let (blocks, next) = split(ticket);
        if next >= blocks {
            return false;
        }
        if self.ticket.compare_exchange(ticket, ticket + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            let _finish = Finish(&self.finished);
            // SAFETY: this thread holds a block that is not finished, so nobody writes `work`, and what it borrows lives.
            if let Some(work) = unsafe { *self.work.get() } {
                work(next);
            }
        }
        true
    }

    fn help(&self) {
        let mut looks = 0;
        while !self.is_over.load(Ordering::Acquire) {
            if self.take() {
                looks = 0;
            } else {
                rest(&mut looks);
            }
        }
    }
}

fn rest(looks: &mut u32) {
    *looks += 1;
    if *looks < LOOKS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// Ends a loop: nothing more is taken, and what was taken is waited for, also when the caller's own block panics.
struct Close<'a>(&'a Board);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let (blocks, next) = split(self.0.ticket.swap(0, Ordering::AcqRel));
        let (taken, mut looks) = (next.min(blocks), 0);
        while self.0.finished.load(Ordering::Acquire) < taken {
            rest(&mut looks);
        }
    }
}

/// Sends the helpers home.
struct Dismiss<'a>(&'a Board);

impl Drop for Dismiss<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

/// The threads of one tick, in the hands of the one that leads it.
pub struct Crew<'a> {
    board: Option<&'a Board>,
}

impl Crew<'_> {
    /// Runs `lead` with as many helpers as this thread's pool has other threads free, or alone.
    pub fn call<R: Send>(alone: bool, lead: impl FnOnce(&mut Crew) -> R + Send) -> R {
        let threads = rayon::current_num_threads();
        if alone || threads < 2 {
            return lead(&mut Crew { board: None });
        }
        let board = Board::default();
        rayon::scope(|scope| {
            let board = &board;
            let _dismiss = Dismiss(board);
            for _ in 1..threads {
                scope.spawn(move |_| board.help());
            }
            lead(&mut Crew { board: Some(board) })
        })
    }

    /// Calls `work` once for each block, with its number; blocks are taken in order and end in any.
    pub fn each<B: Blocks>(&mut self, blocks: B, work: impl Fn(usize, B::Block) + Sync) {
        let count = blocks.count();
        // SAFETY: `run` hands out each number below the count once.
        self.run(count, &|index| work(index, unsafe { blocks.block(index) }));
    }

    /// The same, with one more task beside the blocks.
    pub fn each_beside<B: Blocks>(&mut self, task: impl FnOnce() + Send, blocks: B, work: impl Fn(usize, B::Block) + Sync) {
        let task = Mutex::new(Some(task));
        let count = blocks.count();
        self.run(count + 1, &|index| match index.checked_sub(1) {
            // SAFETY: `run` hands out each number once, and this one is below the count.
            Some(index) => work(index, unsafe { blocks.block(index) }),
            None => {
                let task = task.lock().ok().and_then(|mut task| task.take());
                if let Some(task) = task {
                    task();
                }
            }
        });
    }

    fn run(&mut self, blocks: usize, work: &Work<'_>) {
        let Some(board) = self.board.filter(|_| blocks > 1) else {
            (0..blocks).for_each(work);
            return;
        };
        // SAFETY: the borrow outlives its use: `Close` waits for every block that was taken. No block is under way now, because the last
        // loop's `Close` waited too and `&mut self` keeps a block's work from starting another loop.
        unsafe { *board.work.get() = Some(std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work)) };
        board.finished.store(0, Ordering::Relaxed);
        board.ticket.store((blocks as u64) << 32, Ordering::Release);
        let _close = Close(board);
        while board.take() {}
    }
}

/// Something that is handed out in numbered blocks.
///
/// # Safety
/// Blocks of different numbers do not overlap, and may go to different threads.
pub unsafe trait Blocks: Sync {
    type Block;
    fn count(&self) -> usize;
    /// # Safety
    /// `index` is below [`Blocks::count`], and no other block of this number is alive.
    unsafe fn block(&self, index: usize) -> Self::Block;
}

/// A slice in blocks of `size`, the last one shorter.
pub struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    size: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

/// The slice's blocks of `size` entries.
pub fn parts<T>(slice: &mut [T], size: usize) -> Parts<'_, T> {
    Parts { start: slice.as_mut_ptr(), len: slice.len(), size: size.max(1), lifetime: PhantomData }
}

// SAFETY: a block is a borrow of its own part of the slice, which may go where `&mut [T]` may.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

// SAFETY: blocks are cut at multiples of the size.
unsafe impl<'a, T: Send> Blocks for Parts<'a, T> {
    type Block = &'a mut [T];

    fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    unsafe fn block(&self, index: usize) -> &'a mut [T] {
        let from = index * self.size;
        // SAFETY: the caller keeps the index below the count, so `from` lies in the slice, and asks for each part once.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), self.size.min(self.len - from)) }
    }
}

macro_rules! together {
    ($($name:ident $index:tt),+) => {
        // SAFETY: each member keeps the promise for itself; the count is the smallest of theirs.
        unsafe impl<$($name: Blocks),+> Blocks for ($($name,)+) {
            type Block = ($($name::Block,)+);

            fn count(&self) -> usize {
                [$(self.$index.count()),+].into_iter().min().unwrap_or(0)
            }

            unsafe fn block(&self, index: usize) -> Self::Block {
                // SAFETY: the same promise, passed on.
                ($(unsafe { self.$index.block(index) },)+)
            }
        }
    };
}
together!(A 0, B 1);
together!(A 0, B 1, C 2);
together!(A 0, B 1, C 2, D 3);
together!(A 0, B 1, C 2, D 3, E 4);
together!(A 0, B 1, C 2, D 3, E 4, F 5);

#[cfg(test)]
mod tests {
    use super::*;

    fn on_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads").install(f)
    }

    #[test]
    fn every_block_is_done_once_in_each_of_many_loops() {
        for threads in [1, 2, 5] {
            let mut counts = vec![0u32; 1003];
            let mut sums = vec![0u64; 11];
            let mut beside = 0;
            on_threads(threads, || {
                Crew::call(false, |crew| {
                    for round in 0..2000u32 {
                        crew.each_beside(
                            || beside += 1,
                            (parts(&mut counts, 100), parts(&mut sums, 1)),
                            |index, (counts, sum)| {
                                assert_eq!(counts.len(), if index == 10 { 3 } else { 100 });
                                counts.iter_mut().for_each(|count| *count += 1);
                                sum[0] += u64::from(round);
                            },
                        );
                    }
                });
            });
            assert!(counts.iter().all(|&count| count == 2000) && sums.iter().all(|&sum| sum == 1999 * 1000) && beside == 2000);
        }
    }

    #[test]
    fn a_panic_in_a_block_reaches_the_caller() {
        let outcome = std::panic::catch_unwind(|| {
            on_threads(3, || {
                Crew::call(false, |crew| {
                    let mut none = [(); 64];
                    crew.each(parts(&mut none, 1), |index, _| assert_ne!(index, 40));
                });
            });
        });
        assert!(outcome.is_err());
    }
}

//! Counts what the process allocates: calls, and bytes that are in use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

static CALLS: AtomicU64 = AtomicU64::new(0);
static IN_USE: AtomicI64 = AtomicI64::new(0);

/// Bytes that were asked for and not given back.
pub fn in_use() -> i64 {
    IN_USE.load(Relaxed)
}

fn count(bytes: usize) {
    CALLS.fetch_add(1, Relaxed);
    IN_USE.fetch_add(bytes as i64, Relaxed);
}

/// Calls of the allocator by all threads since the process began, also to grow what there is.
pub fn so_far() -> u64 {
    CALLS.load(Relaxed)
}

/// The system's allocator, and a counter.
pub struct Counting;

// SAFETY: every call goes on to the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        IN_USE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

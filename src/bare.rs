//! What a page build needs in the place of `std`: an allocator, a panic handler, and a source of random bytes.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::UnsafeCell;
use core::ptr::null_mut;

use wasm_bindgen::prelude::wasm_bindgen;

/// A panic becomes a trap, which JavaScript catches: it then switches webspan off. No message, since formatting one costs kilobytes.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    wasm32::unreachable()
}

#[wasm_bindgen(
    inline_js = "export function fillRandom(bytes) { try { crypto.getRandomValues(bytes); return bytes.some(Boolean); } catch { return false; } }"
)]
extern "C" {
    #[wasm_bindgen(js_name = fillRandom)]
    fn fill_random(bytes: &mut [u8]) -> bool;
}

/// Where `getrandom` takes random bytes from in a page build. Its own way to the same function of the browser hands a thrown value to Rust,
/// for which the glue needs a table of JavaScript objects: half a kilobyte in the page.
/// <https://docs.rs/getrandom/0.4/getrandom/#custom-backend>
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(bytes: *mut u8, count: usize) -> Result<(), getrandom::Error> {
    // Safety: `getrandom` hands over a slice.
    let filled = fill_random(unsafe { core::slice::from_raw_parts_mut(bytes, count) });
    if filled { Ok(()) } else { Err(getrandom::Error::UNSUPPORTED) }
}

const PAGE_BYTES: usize = 65_536;
/// All blocks are multiples of this.
const STEP: usize = 16;
/// Up to here each multiple of the step has its own free list; above, each power of two has four.
const SMALL_BYTES: usize = 1024;
const CLASSES: usize = SMALL_BYTES / STEP + 4 * 22;

/// Free lists by size over memory that only grows.
///
/// Spans come in few sizes and live briefly, so that a freed block soon serves again; nothing is merged. A block is as large as its class.
struct FreeLists(UnsafeCell<State>);

struct State {
    /// The first free block of each class; a free block holds the address of the next one.
    free: [*mut u8; CLASSES],
    /// Memory from here to `end` was never used.
    top: usize,
    end: usize,
}

// Safety: a page's WebAssembly memory has one thread.
unsafe impl Sync for FreeLists {}

#[global_allocator]
static ALLOCATOR: FreeLists = FreeLists(UnsafeCell::new(State { free: [null_mut(); CLASSES], top: 0, end: 0 }));

/// Index and block size of the class that a size falls into.
fn class(bytes: usize) -> (usize, usize) {
    if bytes <= SMALL_BYTES {
        let steps = bytes.div_ceil(STEP).max(1);
        return (steps - 1, steps * STEP);
    }
    let power = usize::BITS - 1 - (bytes - 1).leading_zeros();
    let quarter = 1usize << (power - 2);
    let quarters = bytes.div_ceil(quarter);
    let group = power as usize - SMALL_BYTES.trailing_zeros() as usize;
    (SMALL_BYTES / STEP + group * 4 + quarters - 5, quarters * quarter)
}

unsafe impl GlobalAlloc for FreeLists {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let state = unsafe { &mut *self.0.get() };
        let (index, block_bytes) = class(layout.size());
        let Some(free) = state.free.get_mut(index) else { return null_mut() };
        let block = *free;
        if !block.is_null() {
            *free = unsafe { *(block as *const *mut u8) };
            return block;
        }
        if state.end - state.top < block_bytes {
            let pages = (block_bytes - (state.end - state.top)).div_ceil(PAGE_BYTES);
            let before = wasm32::memory_grow(0, pages);
            if before == usize::MAX {
                return null_mut();
            }
            // The first time, and should somebody else have grown the memory, go on behind it.
            if before * PAGE_BYTES != state.end {
                state.top = before * PAGE_BYTES;
                state.end = state.top;
            }
            state.end += pages * PAGE_BYTES;
            if state.end - state.top < block_bytes {
                return unsafe { self.alloc(layout) };
            }
        }
        let block = state.top;
        state.top += block_bytes;
        block as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let state = unsafe { &mut *self.0.get() };
        let (index, _) = class(layout.size());
        if let Some(free) = state.free.get_mut(index) {
            unsafe { *(block as *mut *mut u8) = *free };
            *free = block;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let (old_class, new_class) = (class(layout.size()), class(new_bytes));
        if old_class.0 == new_class.0 {
            return block;
        }
        let state = unsafe { &mut *self.0.get() };
        // The block that was made last grows in its place.
        if block as usize + old_class.1 == state.top && new_class.1 > old_class.1 && state.end - state.top >= new_class.1 - old_class.1 {
            state.top += new_class.1 - old_class.1;
            return block;
        }
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(new_bytes, layout.align())) };
        if !moved.is_null() {
            unsafe {
                core::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_bytes));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

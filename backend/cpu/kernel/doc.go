// Package kernel holds the arithmetic of the CPU backend: functions over raw
// float32 slices with explicit extents.
//
// What lives here: matrix products (of float32; of bfloat16 with float32 sums
// in [GemmBF16] and its grouped forms), the selective scan, causal convolution,
// attention, norms, softmax and cross-entropy, elementwise functions,
// reductions, row moves, rotary positions, AdamW, and the worker [Pool] they
// run on. What does not: tensors, shapes with symbolic sizes, operator names,
// memory planning. Those belong to backend and backend/cpu.
//
// Conventions, the same in every file:
//
//   - Slices are dense row-major arrays; [R, D] has the last axis contiguous.
//     Letters are B batch, L length, D channels, N state, K taps, R rows.
//   - Extents are checked once per call against the slice lengths. A mismatch
//     is a mistake of the calling program and panics with the kernel, the
//     argument, the length found and the length needed.
//   - Scratch is passed in; XxxScratch tells how many float32 values a call
//     needs. Its content on entry does not matter. Steady-state calls do not
//     allocate.
//   - Results do not depend on the number of threads of the pool: work is
//     split by data, and every reduction adds fixed blocks in a fixed order.
//   - Every kernel has a portable Go form, which is also the reference that
//     faster forms are tested against. [Level] tells which form is in use:
//     generic, avx2 or avx512. Bits may differ between levels and between
//     architectures.
package kernel

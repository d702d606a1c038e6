// Package eval runs any graph of the operator table with shapes that become known only at
// run time: lowered graphs, and files of others. It allocates as it goes and knows no
// gradient; training and decoding run compiled plans instead (package backend).
//
// Kernels are those of backend/cpu; control flow (Scan, Loop, If) is executed here. It is
// the second opinion on an export where no other runtime is at hand.
package eval

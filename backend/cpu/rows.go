package cpu

import "github.com/moezoo/moezoo/backend"

// rowBlock is how many rows one item of parallel work covers. It is fixed, so that
// results do not depend on the number of threads.
const rowBlock = 32

// rowTask is a function of blocks of rows as work for the pool. The device owns the only
// one: a closure would be allocated at every call.
type rowTask struct {
	call *backend.Call
	rows int
	f    func(c *backend.Call, from, to int)
}

// Do computes one block.
func (t *rowTask) Do(item, _ int) {
	t.f(t.call, item*rowBlock, min((item+1)*rowBlock, t.rows))
}

// overRows runs f over all rows in parallel.
func (d *Device) overRows(c *backend.Call, rows int, f func(c *backend.Call, from, to int)) error {
	d.task = rowTask{c, rows, f}
	d.Pool.RunTask((rows+rowBlock-1)/rowBlock, &d.task)
	return nil
}

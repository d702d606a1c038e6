package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Values of the machine are nil, bool, int64, float64, string and these.
type (
	tuple struct {
		items []any
		depth int // of tuples within tuples
	}
	// list is a list; no state dict has one that matters, so its items are dropped.
	list struct{}
	// dict is a dict or an OrderedDict.
	dict struct {
		items   map[string]any
		ordered bool
	}
	// global is a name of the allow-list.
	global string
)

// Limits of a pickle: its size, how deep marks and tuples nest, and how many values are
// under way. Python hands over the items of a dict a thousand at a time.
const (
	maxPickle = 16 << 20
	maxDepth  = 64
	maxStack  = 1 << 18
)

// budget is what the values of a file's pickle may take in bytes: a large file has many
// tensors.
func budget(size int64) int64 { return 44<<20 + min(size, 1<<28) }

// machine runs a pickle. The stack holds the values under way, marks where the groups on
// it begin.
type machine struct {
	stack      []any
	marks      []int
	memo       map[uint64]any
	again      map[uint64]bool
	remembered uint64
	budget     int64 // bytes that values may still take, about
	load       func(id tuple) (any, error)
}

// unpickle runs a pickle and answers the value it leaves. load makes the storage of a
// persistent id.
func unpickle(text string, budget int64, load func(id tuple) (any, error)) (any, error) {
	again, at, err := survey(text)
	if err != nil {
		return nil, fmt.Errorf("byte %d: %w", at, err)
	}
	m := machine{memo: map[uint64]any{}, again: again, budget: budget, load: load}
	for at = 0; ; {
		i, end, err := next(text, at)
		if err == nil && i.op == opStop {
			return m.result()
		}
		if err == nil {
			err = m.run(i)
		}
		if err == nil && (m.budget < 0 || len(m.stack) > maxStack) {
			err = errors.New("its values take too much memory")
		}
		if err != nil {
			return nil, fmt.Errorf("byte %d: %w", at, err)
		}
		at = end
	}
}

func (m *machine) result() (any, error) {
	if len(m.stack) != 1 || len(m.marks) != 0 {
		return nil, fmt.Errorf("%d values and %d open groups are left where one value should be", len(m.stack), len(m.marks))
	}
	return m.stack[0], nil
}

func (m *machine) run(i instruction) error {
	switch i.op {
	case opProto, opFrame:
	case opMark:
		if len(m.marks) == maxDepth {
			return fmt.Errorf("more than %d groups are nested", maxDepth)
		}
		m.marks = append(m.marks, len(m.stack))
	case opNone:
		m.push(nil, 0)
	case opTrue, opFalse:
		m.push(i.op == opTrue, 0)
	case opInt:
		m.push(int64(int32(i.number())), 8)
	case opInt1, opInt2:
		m.push(int64(i.number()), 8)
	case opLong1, opLong4:
		return m.long(i.arg)
	case opFloat:
		m.push(math.Float64frombits(binary.BigEndian.Uint64([]byte(i.arg))), 8)
	case opUnicode, opShortUnicode, opUnicode8:
		if !utf8.ValidString(i.arg) {
			return fmt.Errorf("the string %.40q is not valid UTF-8", i.arg)
		}
		m.push(i.arg, 16)
	case opEmptyList:
		m.push(&list{}, 8)
	case opEmptyDict:
		m.push(&dict{}, 16)
	case opEmptyTuple, opTuple, opTuple1, opTuple2, opTuple3:
		return m.tuple(i.op)
	case opAppend, opAppends:
		return m.appendTo(i.op)
	case opSetItem, opSetItems:
		return m.set(i.op)
	case opPut, opLongPut, opMemoize:
		return m.remember()
	case opGet, opLongGet:
		m.push(m.memo[i.number()], 0)
	case opGlobal, opStackGlobal:
		return m.global(i)
	case opReduce:
		return m.reduce()
	case opBuild:
		return m.build()
	case opPersistentByID:
		return m.persistent()
	default:
		return fmt.Errorf("the opcode %#02x has no meaning here", byte(i.op))
	}
	return nil
}

// push puts a value on the stack that takes so many bytes.
func (m *machine) push(v any, bytes int) {
	m.stack = append(m.stack, v)
	m.budget -= int64(bytes)
}

// floor is where the innermost group begins.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

// take removes the last n values, which must belong to the innermost group.
func (m *machine) take(n int) ([]any, error) {
	at := len(m.stack) - n
	if at < m.floor() {
		return nil, errors.New("takes more values than there are")
	}
	v := m.stack[at:]
	m.stack = m.stack[:at]
	return v, nil
}

// group removes the innermost group.
func (m *machine) group() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("ends a group that was not begun")
	}
	v, err := m.take(len(m.stack) - m.floor())
	m.marks = m.marks[:len(m.marks)-1]
	return v, err
}

// oneOrMany takes the operands of an opcode that comes in both forms.
func (m *machine) oneOrMany(single bool, n int) ([]any, error) {
	if single {
		return m.take(n)
	}
	return m.group()
}

func (m *machine) long(arg string) error {
	if len(arg) > 8 {
		return fmt.Errorf("an integer of %d bytes is over the limit of 8", len(arg))
	}
	v := uint64(0)
	for i := range len(arg) {
		v |= uint64(arg[i]) << (8 * i)
	}
	if unused := 64 - 8*len(arg); len(arg) > 0 {
		m.push(int64(v<<unused)>>unused, 8)
		return nil
	}
	m.push(int64(0), 8)
	return nil
}

func (m *machine) tuple(o op) error {
	n := 0
	switch o {
	case opTuple1, opTuple2, opTuple3:
		n = 1 + int(o-opTuple1)
	}
	v, err := m.oneOrMany(o != opTuple, n)
	if err != nil {
		return err
	}
	t := tuple{items: append([]any(nil), v...), depth: 1}
	for _, item := range t.items {
		if inner, ok := item.(tuple); ok {
			t.depth = max(t.depth, inner.depth+1)
		}
	}
	if t.depth > maxDepth {
		return fmt.Errorf("more than %d tuples are nested", maxDepth)
	}
	m.push(t, 32+16*len(t.items))
	return nil
}

// top is the value that an opcode changes, under the operands that were taken.
func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errors.New("changes a value that is not there")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) appendTo(o op) error {
	if _, err := m.oneOrMany(o == opAppend, 1); err != nil {
		return err
	}
	to, err := m.top()
	if err != nil {
		return err
	}
	if _, ok := to.(*list); !ok {
		return fmt.Errorf("appends to %s, not to a list", kind(to))
	}
	return nil
}

func (m *machine) set(o op) error {
	v, err := m.oneOrMany(o == opSetItem, 2)
	if err != nil {
		return err
	}
	to, err := m.top()
	if err != nil {
		return err
	}
	d, ok := to.(*dict)
	if !ok {
		return fmt.Errorf("sets an item of %s, not of a dict", kind(to))
	}
	if len(v)%2 != 0 {
		return errors.New("sets an item without a value")
	}
	for i := 0; i < len(v); i += 2 {
		key, ok := v[i].(string)
		if !ok {
			return fmt.Errorf("a dict has %s as a key, want strings", kind(v[i]))
		}
		if _, twice := d.items[key]; twice {
			return fmt.Errorf("the key %.80q occurs twice", key)
		}
		if d.items == nil {
			d.items = make(map[string]any, len(v)/2)
			m.budget -= 320
		}
		d.items[key] = v[i+1]
		m.budget -= 48
	}
	return nil
}

func (m *machine) remember() error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if m.again[m.remembered] {
		m.memo[m.remembered] = v
		m.budget -= 64
	}
	m.remembered++
	return nil
}

func (m *machine) persistent() error {
	v, err := m.take(1)
	if err != nil {
		return err
	}
	id, ok := v[0].(tuple)
	if !ok {
		return fmt.Errorf("the name of a storage is %s, want a tuple", kind(v[0]))
	}
	s, err := m.load(id)
	if err != nil {
		return err
	}
	m.push(s, 0)
	return nil
}

// kind is what a message calls a value.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "a string"
	case tuple:
		return fmt.Sprintf("a tuple of %d", len(v.items))
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case *storage:
		return "a storage"
	case *tensor:
		return "a tensor"
	case global:
		return string(v)
	}
	return fmt.Sprintf("a %T", v)
}

package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// op is an opcode of a pickle, as Python's pickletools describes them.
type op byte

// The opcodes that torch.save writes in state dicts, protocols 2 to 5.
const (
	opProto          op = 0x80
	opFrame          op = 0x95
	opStop           op = '.'
	opMark           op = '('
	opEmptyTuple     op = ')'
	opTuple          op = 't'
	opTuple1         op = 0x85
	opTuple2         op = 0x86
	opTuple3         op = 0x87
	opEmptyList      op = ']'
	opAppend         op = 'a'
	opAppends        op = 'e'
	opEmptyDict      op = '}'
	opSetItem        op = 's'
	opSetItems       op = 'u'
	opNone           op = 'N'
	opTrue           op = 0x88
	opFalse          op = 0x89
	opInt            op = 'J'
	opInt1           op = 'K'
	opInt2           op = 'M'
	opLong1          op = 0x8a
	opLong4          op = 0x8b
	opFloat          op = 'G'
	opUnicode        op = 'X'
	opShortUnicode   op = 0x8c
	opUnicode8       op = 0x8d
	opGet            op = 'h'
	opLongGet        op = 'j'
	opPut            op = 'q'
	opLongPut        op = 'r'
	opMemoize        op = 0x94
	opGlobal         op = 'c'
	opStackGlobal    op = 0x93
	opReduce         op = 'R'
	opBuild          op = 'b'
	opPersistentByID op = 'Q'
)

// operand is how many bytes follow an opcode: so many, or a length in so many bytes with
// what it counts, or two lines.
type operand struct{ fixed, counted, lines int }

var operands = map[op]operand{
	opProto: {fixed: 1}, opFrame: {fixed: 8}, opStop: {}, opMark: {},
	opEmptyTuple: {}, opTuple: {}, opTuple1: {}, opTuple2: {}, opTuple3: {},
	opEmptyList: {}, opAppend: {}, opAppends: {}, opEmptyDict: {}, opSetItem: {}, opSetItems: {},
	opNone: {}, opTrue: {}, opFalse: {}, opInt: {fixed: 4}, opInt1: {fixed: 1}, opInt2: {fixed: 2},
	opLong1: {counted: 1}, opLong4: {counted: 4}, opFloat: {fixed: 8},
	opUnicode: {counted: 4}, opShortUnicode: {counted: 1}, opUnicode8: {counted: 8},
	opGet: {fixed: 1}, opLongGet: {fixed: 4}, opPut: {fixed: 1}, opLongPut: {fixed: 4}, opMemoize: {},
	opGlobal: {lines: 2}, opStackGlobal: {}, opReduce: {}, opBuild: {}, opPersistentByID: {},
}

// refused names the opcodes that Python knows and a state dict does not need.
var refused = map[op]string{
	'0': "POP", '1': "POP_MARK", '2': "DUP", 'F': "FLOAT", 'I': "INT", 'L': "LONG", 'P': "PERSID", 'S': "STRING",
	'T': "BINSTRING", 'U': "SHORT_BINSTRING", 'V': "UNICODE", 'd': "DICT", 'g': "GET", 'i': "INST", 'l': "LIST", 'o': "OBJ",
	'p': "PUT", 'B': "BINBYTES", 'C': "SHORT_BINBYTES", 0x81: "NEWOBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x8e: "BINBYTES8",
	0x8f: "EMPTY_SET", 0x90: "ADDITEMS", 0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}

// instruction is an opcode with what follows it.
type instruction struct {
	op  op
	arg string
}

// number is the operand as an unsigned number, little-endian; longer than 8 bytes is not asked.
func (i instruction) number() uint64 {
	var b [8]byte
	copy(b[:], i.arg)
	return binary.LittleEndian.Uint64(b[:])
}

// next cuts the instruction off that text has at a position, and answers where it ends.
func next(text string, at int) (instruction, int, error) {
	if at >= len(text) {
		return instruction{}, at, errors.New("the pickle ends without STOP")
	}
	o := op(text[at])
	shape, ok := operands[o]
	if !ok {
		if name := refused[o]; name != "" {
			return instruction{}, at, fmt.Errorf("the opcode %s is refused: a state dict does not need it", name)
		}
		return instruction{}, at, fmt.Errorf("there is no opcode %#02x", byte(o))
	}
	at++
	rest := text[at:]
	n := uint64(shape.fixed)
	switch {
	case shape.lines > 0:
		for range shape.lines {
			end := strings.IndexByte(rest[n:], '\n')
			if end < 0 {
				return instruction{}, at, errTruncated
			}
			n += uint64(end) + 1
		}
	case shape.counted > 0:
		if len(rest) < shape.counted {
			return instruction{}, at, errTruncated
		}
		n = instruction{arg: rest[:shape.counted]}.number()
		rest, at = rest[shape.counted:], at+shape.counted
	}
	if n > uint64(len(rest)) {
		return instruction{}, at, fmt.Errorf("%d bytes are announced where %d are left", n, len(rest))
	}
	return instruction{o, rest[:n]}, at + int(n), nil
}

var errTruncated = errors.New("the pickle ends inside of an instruction")

// survey walks through a pickle without running it: every opcode must be known, STOP the
// last byte, and every value that is asked for again have been remembered. It answers which
// are, since a pickle remembers nearly all of its values and asks for few.
func survey(text string) (again map[uint64]bool, at int, err error) {
	again = map[uint64]bool{}
	remembered := uint64(0)
	for {
		i, end, err := next(text, at)
		if err != nil {
			return nil, at, err
		}
		switch i.op {
		case opProto:
			if at != 0 || i.number() < 2 || i.number() > 5 {
				return nil, at, fmt.Errorf("protocol %d at byte %d: a file begins with 2 to 5", i.number(), at)
			}
		case opPut, opLongPut:
			if i.number() != remembered {
				return nil, at, fmt.Errorf("value %d is remembered where it is the turn of %d", i.number(), remembered)
			}
			remembered++
		case opMemoize:
			remembered++
		case opGet, opLongGet:
			if i.number() >= remembered {
				return nil, at, fmt.Errorf("asks for value %d, of %d that are remembered", i.number(), remembered)
			}
			again[i.number()] = true
		case opStop:
			if end != len(text) {
				return nil, end, fmt.Errorf("%d bytes follow STOP", len(text)-end)
			}
			return again, at, nil
		}
		if at == 0 && i.op != opProto {
			return nil, at, errors.New("the pickle does not begin with its protocol")
		}
		at = end
	}
}

package torchfile

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// seed is a faulty file, what must be said of it, and the number of its fault in the list of
// bad inputs. Each is committed under testdata/fuzz/FuzzOpen.
type seed struct {
	row  int
	name string
	file []byte
	want string // empty: it is read
}

func seeds() []seed {
	dataRecord := part("m/data/0", sixFloats)
	pickles := func(row int, name, body, want string) seed {
		return seed{row, name, withPickle("\x80\x02" + body), want}
	}
	value := func(row int, name, value, want string) seed {
		return seed{row, name, withPickle(stateDictOf("a", value)), want}
	}
	storage := storageID("FloatStorage", "0", 6)
	return []seed{
		{0, "good", withPickle(stateDictOf("a", matrix)), ""},

		value(35, "os-system", global2("os", "system")+"("+text("true")+"tR", `asks for "os.system", which is refused`),
		value(35, "posix-system", global2("posix", "system")+"("+text("true")+"tR", `asks for "posix.system", which is refused`),
		value(35, "eval", global2("__builtin__", "eval")+"("+text("1")+"tR", `asks for "__builtin__.eval", which is refused`),
		value(35, "torch-hub", global2("torch.hub", "load")+")R", `asks for "torch.hub.load", which is refused`),
		value(35, "stack-global", text("builtins")+text("eval")+"\x93("+text("1")+"tR", `asks for "builtins.eval", which is refused`),
		value(35, "dotted", text("torch")+text("_utils._rebuild_tensor")+"\x93)R", `asks for "torch._utils._rebuild_tensor", which is refused`),
		value(35, "split-elsewhere", text("torch._utils._rebuild_parameter")+text("__globals__")+"\x93)R", `__globals__", which is refused`),
		value(35, "newline", text("os\nsystem")+text("x")+"\x93)R", `asks for "os\nsystem.x", which is refused`),

		value(36, "reduce-storage", global2("torch", "FloatStorage")+")R", "a call of torch.FloatStorage is refused"),
		value(36, "reduce-text", text("os.system")+")R", "a call of a string is refused"),
		value(36, "newobj", global2("torch", "FloatStorage")+")\x81", "the opcode NEWOBJ is refused"),
		value(36, "newobj-ex", global2("torch", "FloatStorage")+")}\x92", "the opcode NEWOBJ_EX is refused"),
		value(36, "inst", "(ios\nsystem\n", "the opcode INST is refused"),
		value(36, "obj", "("+global2("torch", "FloatStorage")+"o", "the opcode OBJ is refused"),
		value(36, "ext1", "\x82\x01", "the opcode EXT1 is refused"),
		value(36, "ext4", "\x84\x01\x00\x00\x00", "the opcode EXT4 is refused"),
		value(36, "build-tensor", matrix+"}b", "attributes of a tensor are refused"),
		value(36, "build-global", global2("torch._utils", "_rebuild_parameter")+"}b", "attributes of torch._utils._rebuild_parameter are refused"),
		value(36, "build-dict", "}}b", "attributes of a dict are refused"),
		value(36, "arguments-of-no-tuple", global2("collections", "OrderedDict")+"]R", "is called with a list, want a tuple"),

		value(37, "setitem-on-list", "]"+text("k")+"Ns", "sets an item of a list, not of a dict"),
		value(37, "setitems-on-tuple", ")("+text("k")+"Nu", "sets an item of a tuple of 0, not of a dict"),
		value(37, "append-on-dict", "}Na", "appends to a dict, not to a list"),
		value(37, "appends-on-none", "N(Ne", "appends to None, not to a list"),
		value(37, "key-of-no-string", "}(K\x01Nu", "has an integer as a key"),
		value(37, "odd-items", "}("+text("k")+"u", "sets an item without a value"),
		value(37, "key-twice", "}("+text("k")+"N"+text("k")+"Nu", `the key "k" occurs twice`),

		value(38, "get-unset", "h\x05", "asks for value 5, of 0 that are remembered"),
		value(38, "put-2^31", "Nr\x00\x00\x00\x80", "value 2147483648 is remembered where it is the turn of 0"),
		value(38, "get-2^31", "Nq\x00j\x00\x00\x00\x80", "asks for value 2147483648, of 1"),

		pickles(39, "reduce", "R.", "takes more values than there are"),
		pickles(39, "tuple-without-mark", "Nt.", "ends a group that was not begun"),
		pickles(39, "below-the-mark", "N(\x85.", "takes more values than there are"),
		pickles(39, "setitem-on-nothing", "NNs.", "changes a value that is not there"),
		pickles(39, "put-of-nothing", "q\x00.", "changes a value that is not there"),
		pickles(39, "nothing-left", ".", "0 values and 0 open groups are left"),
		pickles(39, "two-left", "}}.", "2 values and 0 open groups are left"),

		value(40, "long4", "\x8b\xff\xff\xff\x7f", "2147483647 bytes are announced where"),
		value(40, "long1", "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", "an integer of 9 bytes is over the limit of 8"),
		value(40, "unicode8", "\x8d\x00\x00\x00\x00\x00\x00\x00\x40", "4611686018427387904 bytes are announced where"),
		value(40, "bytes8", "\x8e\x00\x00\x00\x00\x00\x00\x00\x40", "the opcode BINBYTES8 is refused"),

		value(41, "marks", strings.Repeat("(", 1<<12)+strings.Repeat("t", 1<<12), "more than 64 groups are nested"),
		value(41, "tuples", ")"+strings.Repeat("\x85", 1<<12), "more than 64 tuples are nested"),
		value(41, "dicts", strings.Repeat("}"+text("k"), 1<<10)+"N"+strings.Repeat("s", 1<<10), `"a" is a dict, want tensors alone`),

		pickles(42, "list-in-itself", "]q\x00h\x00a.", "holds a list, want a dict of tensors"),
		pickles(42, "dict-in-itself", "}q\x00"+text("a")+"h\x00s.", `"a" is a dict, want tensors alone`),

		pickles(43, "no-stop", "}", "the pickle ends without STOP"),
		pickles(43, "bytes-after-stop", "}.}.", "2 bytes follow STOP"),
		pickles(43, "cut-operand", "X\x01", "the pickle ends inside of an instruction"),
		pickles(43, "cut-global", "cos\nsystem", "the pickle ends inside of an instruction"),
		{43, "no-protocol", withPickle("}."), "does not begin with its protocol"},
		{43, "protocol-6", withPickle("\x80\x06}."), "protocol 6 at byte 0"},
		{43, "empty", withPickle(""), "the pickle ends without STOP"},

		value(44, "too-many", view(storageID("FloatStorage", "0", 7), 0, ints(2), ints(1)), "does not fit its record of 24 bytes"),
		value(44, "too-few", view(storageID("FloatStorage", "0", 5), 0, ints(2), ints(1)), "does not fit its record of 24 bytes"),
		value(44, "negative", view(storageID("FloatStorage", "0", -6), 0, ints(2), ints(1)), "storage \"0\" of -6 elements"),
		value(44, "2^62", view("("+text("storage")+global2("torch", "FloatStorage")+text("0")+text("cpu")+"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40tQ", 0, ints(2), ints(1)), "does not fit its record"),
		value(44, "absent", view(storageID("FloatStorage", "1", 6), 0, ints(2), ints(1)), `the archive has no storage "1"`),
		value(44, "two-kinds", "("+matrix+view(storageID("IntStorage", "0", 6), 0, ints(2), ints(1))+"t", "6 elements of F32 and 6 of I32"),

		value(45, "past-the-end", view(storage, 1, ints(2, 3), ints(3, 1)), "is outside of a storage of 6 elements"),
		value(45, "stride-past-the-end", view(storage, 0, ints(2, 3), ints(4, 1)), "is outside of a storage of 6 elements"),
		value(45, "negative-stride", view(storage, 5, ints(6), ints(-1)), "the stride -1 is negative"),
		value(45, "negative-extent", view(storage, 0, ints(-1), ints(1)), "the extent -1"),
		value(45, "negative-offset", view(storage, -1, ints(1), ints(1)), "is outside of a storage"),
		value(45, "shape-overflow", view(storage, 0, ints(1<<31-1, 1<<31-1, 1<<31-1), ints(0, 0, 0)), "has more elements than its storage"),
		value(45, "stride-overflow", view(storage, 0, "\x8a\x01\x02\x85", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"), "is outside of a storage"),
		value(45, "ranks", view(storage, 0, ints(2, 3), ints(1)), "2 extents and there are 1 strides"),
		value(45, "scalar-past-the-end", view(storage, 6, ")", ")"), "is outside of a storage"),
		value(45, "shape-of-floats", view(storage, 0, "G\x40\x00\x00\x00\x00\x00\x00\x00\x85", ints(1)), "shape: holds a float, want integers"),

		{46, "many-views", withPickle(manyViews(100)), ""},

		value(47, "no-tuple", view("]Q", 0, ints(2), ints(1)), "the name of a storage is a list, want a tuple"),
		value(47, "four", view("("+text("storage")+global2("torch", "FloatStorage")+text("0")+text("cpu")+"tQ", 0, ints(2), ints(1)), "a tuple of 4, want one of 5"),
		value(47, "text-for-kind", view("("+text("storage")+text("FloatStorage")+text("0")+text("cpu")+"K\x06tQ", 0, ints(2), ints(1)), `named by a string, a string`),
		value(47, "other-word", view("("+text("module")+global2("torch", "FloatStorage")+text("0")+text("cpu")+"K\x06tQ", 0, ints(2), ints(1)), "want \"storage\", its kind"),
		value(47, "call-for-kind", view("("+text("storage")+global2("collections", "OrderedDict")+text("0")+text("cpu")+"K\x06tQ", 0, ints(2), ints(1)), "named by a string, collections.OrderedDict"),

		{48, "raw-pickle", []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."), "a bare pickle as PyTorch wrote before 1.6 is unsupported"},
		{48, "tar", append(append(make([]byte, 257), "ustar"...), make([]byte, 800)...), "a tar file as PyTorch wrote before 1.0 is unsupported"},
		{48, "other", []byte("hello, world, this is no archive"), "is no file of torch.save"},
		{48, "empty", nil, "is no file of torch.save"},

		// A looser reader would take each of these: by calling, by going back to the first
		// data.pkl, by reading on as a bare pickle.
		{49, "loader-that-calls", withPickle("\x80\x02" + global2("collections", "Counter") + ")R."), `asks for "collections.Counter", which is refused`},
		{49, "pickle-then-archive", append([]byte("\x80\x02}."), withPickle(stateDictOf("a", matrix))...), "a bare pickle as PyTorch wrote before 1.6 is unsupported"},

		{50, "wrong-crc-of-pickle", withRecords(part("m/byteorder", "little", func(z *zipped) { put32(z.local, 14, 1); put32(z.central, 16, 1) })), `record "m/byteorder": the checksum is`},

		{51, "data-pkl-twice", withRecords(part("m/data.pkl", "\x80\x02}."), dataRecord), `record "m/data.pkl" occurs twice`},

		{52, "dots", withRecords(part("m/../data/0", sixFloats)), "leads out of the archive"},
		{52, "absolute", withRecords(part("/m/data/0", sixFloats)), "leads out of the archive"},
		{52, "backslash", withRecords(part(`m\data\0`, sixFloats)), "is not a plain path"},
		{52, "nul", withRecords(part("m/data/0\x00", sixFloats)), "is not a plain path"},
		{52, "symlink", withRecords(part("m/data/0", sixFloats, func(z *zipped) { put16(z.central, 4, 0x031e); put32(z.central, 38, 0xa1ff<<16) })), "is a link, a folder or a device"},
		{52, "folder", withRecords(part("m/data/", "")), "leads out of the archive or names no file"},
		{52, "no-folder", withRecords(part("data", sixFloats)), `record "data" lies in no folder`},

		{53, "deflated", withRecords(part("m/data/0", "\x63\x60\x18\x05\xa3\x60\x14\x0c\x77\x00\x00", both(8, 10, 8), func(z *zipped) {
			put32(z.local, 22, 11_000)
			put32(z.central, 24, 11_000)
		})), "is compressed (method 8), must be stored"},
		{53, "stored-bomb", withRecords(part("m/data/0", sixFloats, func(z *zipped) { put32(z.central, 24, 24_000) })), "has 24000 bytes but 24 compressed ones"},

		{54, "overlap", overlapping(), "overlaps the one before it"},

		{55, "other-name", withRecords(part("m/data/0", sixFloats, func(z *zipped) { z.localName = "m/data/1" })), "its two headers disagree"},
		{55, "other-size", withRecords(part("m/data/0", sixFloats, func(z *zipped) { put32(z.local, 18, 20); put32(z.local, 22, 20) })), "its two headers disagree"},
		{55, "other-crc", withRecords(part("m/data/0", sixFloats, func(z *zipped) { put32(z.local, 14, 1) })), "its two headers disagree"},
		{55, "other-flags", withRecords(part("m/data/0", sixFloats, func(z *zipped) { put16(z.local, 6, 8) })), "its two headers disagree"},
		{55, "other-method", withRecords(part("m/data/0", sixFloats, func(z *zipped) { put16(z.local, 8, 8) })), "its two headers disagree"},
		{55, "descriptor", withRecords(part("m/data/0", sixFloats, both(6, 8, 8))), "what follows its data disagrees"},
		{55, "unicode-path", withRecords(part("m/data/0", sixFloats, func(z *zipped) { z.extra[1] = "up\x05\x00\x01\x00\x00\x00\x00" })), "has the unknown extra field 0x7075"},

		{56, "prefix", append([]byte("PK#!/bin/sh\n"), withPickle(stateDictOf("a", matrix))...), "does not end at byte"},
		{56, "prefix-counted", prefixed("PK\x03\x04 hello"), "bytes at byte 0 belong to no record"},
		{56, "script", append([]byte("#!/bin/sh\n"), withPickle(stateDictOf("a", matrix))...), "is no file of torch.save"},
		{56, "suffix", append(withPickle(stateDictOf("a", matrix)), "<html>"...), "does not end with a zip directory"},
		{56, "comment", commented(), "has a comment or several volumes"},
		{56, "truncated", withPickle(stateDictOf("a", matrix))[:300], "does not end with a zip directory"},

		{57, "zip64-2^63", withRecords(part("m/data/0", sixFloats, func(z *zipped) {
			put32(z.central, 20, 0xffffffff)
			put32(z.central, 24, 0xffffffff)
			z.extra[1] = "\x01\x00\x10\x00" + strings.Repeat("\x00\x00\x00\x00\x00\x00\x00\x80", 2)
		})), "9223372036854775808 bytes at byte"},
		{57, "directory-2^63", build64(func(end []byte) { put64(end, 40, 1<<63) }, part("m/data.pkl", "\x80\x02}.")), "a zip directory of 9223372036854775808 bytes"},
		{57, "offset-2^63", build64(func(end []byte) { put64(end, 48, 1<<63) }, part("m/data.pkl", "\x80\x02}.")), "does not end at byte"},
		{57, "good-zip64", build64(func([]byte) {}, part("m/data.pkl", "\x80\x02}.")), ""},

		{58, "65536-records", build64(func(end []byte) { put64(end, 24, 65_536); put64(end, 32, 65_536) }, part("m/data.pkl", "\x80\x02}.")), "65536 records are over the limit of 65535"},
		{58, "more-than-fit", miscounted(), "cannot list 40000 records"},

		{59, "encrypted", withRecords(part("m/data/0", sixFloats, both(6, 8, 1))), `record "m/data/0": is encrypted`},
		{59, "masked", withRecords(part("m/data/0", sixFloats, both(6, 8, 1<<13))), "has the unknown flags 0x2000"},

		{60, "two-roots", withRecords(dataRecord, part("n/data.pkl", "\x80\x02}.")), `the archive has two folders, "m" and "n"`},
		{60, "no-pickle", build(part("m/data/0", sixFloats)), "the archive has no data.pkl"},
	}
}

// overlapping is an archive whose second record lies in the first.
func overlapping() []byte {
	inner := build(part("m/data/0", sixFloats))
	inner = inner[:localSize+len("m/data/0")+len(sixFloats)]
	b := build(part("m/data.pkl", stateDictOf("a", matrix)), part("m/byteorder", string(inner)), part("m/data/0", sixFloats))
	// the entry of data/0 is the last; point it at the copy
	last := strings.LastIndex(string(b), "PK\x01\x02")
	put32(b, last+42, uint32(strings.Index(string(b), string(inner))))
	return b
}

// prefixed is an archive behind a prefix that all of its offsets count.
func prefixed(prefix string) []byte {
	b := append([]byte(prefix), withPickle(stateDictOf("a", matrix))...)
	for at := 0; ; {
		i := strings.Index(string(b[at:]), "PK\x01\x02")
		if i < 0 {
			break
		}
		at += i
		put32(b, at+42, binary.LittleEndian.Uint32(b[at+42:])+uint32(len(prefix)))
		at += 4
	}
	end := len(b) - 22
	put32(b, end+16, binary.LittleEndian.Uint32(b[end+16:])+uint32(len(prefix)))
	return b
}

func commented() []byte {
	b := append(withPickle(stateDictOf("a", matrix)), make([]byte, 22)...)
	copy(b[len(b)-22:], b[len(b)-44:])
	put16(b, len(b)-2, 22)
	return b
}

func miscounted() []byte {
	b := withPickle(stateDictOf("a", matrix))
	put16(b, len(b)-14, 40_000)
	put16(b, len(b)-12, 40_000)
	return b
}

// manyViews is the pickle of n views of one storage, a thousand at a time as Python writes.
func manyViews(n int) string {
	var b strings.Builder
	for i := range n {
		call, storage, hooks := "h\x00", "h\x01", "h\x02"
		if i == 0 {
			call = global2("torch._utils", "_rebuild_tensor_v2") + "q\x00"
			storage = storageID("FloatStorage", "0", 6) + "q\x01"
			hooks = orderedDictCall + "q\x02"
		}
		if i%1000 == 0 && i > 0 {
			b.WriteString("u(")
		}
		b.WriteString(text(fmt.Sprintf("layer.%d", i)) + call + "(" + storage + integer(i%3) + ints(2, 2) + ints(2, 1) + "\x89" + hooks + "tR")
	}
	return "\x80\x02}(" + b.String() + "u."
}

package ort_test

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// The models of these tests are written here field by field, as onnx.proto3 numbers them, so that they depend on no other writer.

type message []byte

func (m message) str(n protowire.Number, s string) message {
	return protowire.AppendString(protowire.AppendTag(m, n, protowire.BytesType), s)
}

func (m message) num(n protowire.Number, v int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, n, protowire.VarintType), uint64(v))
}

func (m message) sub(n protowire.Number, s message) message {
	return protowire.AppendBytes(protowire.AppendTag(m, n, protowire.BytesType), s)
}

// value is a ValueInfoProto; a dimension is a number or a symbol's name.
func value(name string, dtype int64, dims ...any) message {
	var shape message
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			shape = shape.sub(1, message{}.num(1, int64(d)))
		case string:
			shape = shape.sub(1, message{}.str(2, d))
		}
	}
	return message{}.str(1, name).sub(2, message{}.sub(1, message{}.num(1, dtype).sub(2, shape)))
}

func node(op string, inputs, outputs []string, attrs ...message) message {
	var m message
	for _, s := range inputs {
		m = m.str(1, s)
	}
	for _, s := range outputs {
		m = m.str(2, s)
	}
	m = m.str(3, op+"_"+outputs[0]).str(4, op)
	for _, a := range attrs {
		m = m.sub(5, a)
	}
	return m
}

// intAttr is an AttributeProto of type INT.
func intAttr(name string, v int64) message { return message{}.str(1, name).num(3, v).num(20, 2) }

type graph struct {
	nodes, initial, inputs, outputs []message
	meta                            map[string]string
}

// bytes is the ModelProto: IR 8, opset 18.
func (g graph) bytes() []byte {
	var gm message
	for _, n := range g.nodes {
		gm = gm.sub(1, n)
	}
	gm = gm.str(2, "test")
	for _, n := range g.initial {
		gm = gm.sub(5, n)
	}
	for _, n := range g.inputs {
		gm = gm.sub(11, n)
	}
	for _, n := range g.outputs {
		gm = gm.sub(12, n)
	}
	m := message{}.num(1, 8).sub(7, gm).sub(8, message{}.num(2, 18))
	for k, v := range g.meta {
		m = m.sub(14, message{}.str(1, k).str(2, v))
	}
	return m
}

// external is a float32 TensorProto whose data lie in another file.
func external(name, file string, offset string, dims ...int64) message {
	var m message
	for _, d := range dims {
		m = m.num(1, d)
	}
	m = m.num(2, 1).str(8, name)
	for k, v := range map[string]string{"location": file, "offset": offset} {
		m = m.sub(13, message{}.str(1, k).str(2, v))
	}
	return m.num(14, 1)
}

// int64s is a TensorProto initialiser.
func int64s(name string, vs ...int64) message {
	m := message{}.num(1, int64(len(vs))).num(2, 7).str(8, name)
	for _, v := range vs {
		m = m.num(7, v)
	}
	return m
}

// arith adds two matrices of any number of rows, sums all of the result, and compares; it exercises every supported type.
func arith() graph {
	return graph{
		nodes: []message{
			node("Add", []string{"a", "b"}, []string{"sum"}),
			node("ReduceSum", []string{"sum"}, []string{"total"}, intAttr("keepdims", 0)),
			node("Greater", []string{"a", "b"}, []string{"more"}),
			node("Shape", []string{"a"}, []string{"shape"}),
			node("Add", []string{"d", "d"}, []string{"dd"}),
			node("Add", []string{"i", "i"}, []string{"ii"}),
		},
		inputs: []message{value("a", 1, "batch_size", 3), value("b", 1, "batch_size", 3), value("d", 11), value("i", 6, 2)},
		outputs: []message{
			value("sum", 1, "batch_size", 3), value("total", 1), value("more", 9, "batch_size", 3),
			value("shape", 7, 2), value("dd", 11), value("ii", 6, 2),
		},
		meta: map[string]string{"zoo.version": "test"},
	}
}

// counter is a decoder in small: a state [batch_size, 1] that sums the tokens seen, a cache that keeps them, and logits [B, L, 4] whose
// largest entry is at (sum of all tokens so far) mod 4 in the last column.
func counter() graph {
	return graph{
		initial: []message{int64s("axis1", 1), int64s("axis2", 2), int64s("four", 4), int64s("range", 0, 1, 2, 3)},
		nodes: []message{
			node("Squeeze", []string{"axis1"}, []string{"axis1s"}),
			node("Cast", []string{"input_ids"}, []string{"idsf"}, intAttr("to", 1)),
			node("ReduceSum", []string{"idsf", "axis1"}, []string{"new"}),
			node("Add", []string{"past_ssm.0", "new"}, []string{"present_ssm.0"}),
			node("Unsqueeze", []string{"idsf", "axis2"}, []string{"ids3"}),
			node("Unsqueeze", []string{"ids3", "axis1"}, []string{"ids4"}),
			node("Concat", []string{"past_key_values.1.key", "ids4"}, []string{"present.1.key"}, intAttr("axis", 2)),
			node("CumSum", []string{"idsf", "axis1s"}, []string{"running"}),
			node("Add", []string{"running", "past_ssm.0"}, []string{"soFar"}),
			node("Cast", []string{"soFar"}, []string{"soFarInt"}, intAttr("to", 7)),
			node("Mod", []string{"soFarInt", "four"}, []string{"next"}),
			node("Unsqueeze", []string{"next", "axis2"}, []string{"next3"}),
			node("Equal", []string{"next3", "range"}, []string{"hot"}),
			node("Cast", []string{"hot"}, []string{"logits"}, intAttr("to", 1)),
		},
		inputs: []message{
			value("input_ids", 7, "batch_size", "sequence_length"), value("attention_mask", 7, "batch_size", "total_sequence_length"),
			value("past_ssm.0", 1, "batch_size", 1), value("past_key_values.1.key", 1, "batch_size", 1, "past_sequence_length", 1),
		},
		outputs: []message{
			value("logits", 1, "batch_size", "sequence_length", 4), value("present_ssm.0", 1, "batch_size", 1),
			value("present.1.key", 1, "batch_size", 1, "total_sequence_length", 1),
		},
	}
}

// counterKeep is counter with position ids added to the sums, and logits for the last num_logits_to_keep tokens only.
func counterKeep() graph {
	g := counter()
	g.initial = append(g.initial, int64s("zero", 0), int64s("end", 1<<40))
	for i, n := range g.nodes {
		switch string(n) {
		case string(node("Cast", []string{"soFar"}, []string{"soFarInt"}, intAttr("to", 7))):
			g.nodes[i] = node("Cast", []string{"soFar"}, []string{"sums"}, intAttr("to", 7))
		case string(node("Mod", []string{"soFarInt", "four"}, []string{"next"})):
			g.nodes[i] = node("Mod", []string{"withPos", "four"}, []string{"next"})
		case string(node("Cast", []string{"hot"}, []string{"logits"}, intAttr("to", 1))):
			g.nodes[i] = node("Cast", []string{"hot"}, []string{"all"}, intAttr("to", 1))
		}
	}
	at := len(g.nodes) - 4 // in front of Mod
	g.nodes = append(g.nodes[:at:at], append([]message{node("Add", []string{"sums", "position_ids"}, []string{"withPos"})}, g.nodes[at:]...)...)
	g.nodes = append(g.nodes, node("Neg", []string{"num_logits_to_keep"}, []string{"minus"}),
		node("Unsqueeze", []string{"minus", "zero"}, []string{"start"}),
		node("Slice", []string{"all", "start", "end", "axis1"}, []string{"logits"}))
	g.inputs = append(g.inputs, value("position_ids", 7, "batch_size", "sequence_length"), value("num_logits_to_keep", 7))
	return g
}

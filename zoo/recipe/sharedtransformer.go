package recipe

import "fmt"

// SharedTransformer is Zamba2's attention and feed-forward pair, arXiv 2411.15242, which reads
// the stream and the embedding, and whose result is added to what the next layer reads.
type SharedTransformer struct {
	Blocks      int64 // sets of weights, used in turns, 1
	Heads       int64 // 8
	HeadDim     int64 // default 2·DModel/Heads
	Rope        *Rope // nil for none
	Width       int64 // of the feed-forward layer
	AdapterRank int64 // by which each use of the feed-forward layer differs, 0 for none
	// AttentionAdapters of that rank let queries, keys and values differ, too; false.
	AttentionAdapters bool
}

func readSharedTransformer(s *section, dModel int64) *SharedTransformer {
	m := &SharedTransformer{Blocks: s.int("blocks", 1, 1), Heads: s.int("heads", 8, 1)}
	m.HeadDim = max(2*dModel/m.Heads, 1)
	if n := s.get("head_dim"); n != nil {
		m.HeadDim = s.integer(n, "head_dim", 1)
	}
	m.Rope = readRope(s, m.HeadDim)
	m.Width, m.AdapterRank = s.width("width", dModel), s.int("adapter_rank", 0, 0)
	if m.AttentionAdapters = s.bool("attention_adapters", false); m.AttentionAdapters && m.AdapterRank == 0 {
		s.fail(s.at, "adapter_rank: 128", "attention_adapters need an adapter_rank")
	}
	return m
}

func (m *SharedTransformer) yaml() string {
	return fmt.Sprintf("{blocks: %d, heads: %d, head_dim: %d, rope: %s, width: %d, adapter_rank: %d, attention_adapters: %v}",
		m.Blocks, m.Heads, m.HeadDim, m.Rope.yaml(), m.Width, m.AdapterRank, m.AttentionAdapters)
}

func (m *SharedTransformer) over(dModel int64) bool {
	return over(maxWeight, max(2*dModel, m.AdapterRank), m.Heads, m.HeadDim) || over(maxWeight, 2*dModel, m.AdapterRank) || over(maxWeight, max(dModel, m.AdapterRank), 2, m.Width)
}

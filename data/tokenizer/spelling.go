package tokenizer

import "fmt"

// The files spell bytes as printable characters: those that are printable stand for
// themselves, the others for the characters from U+0100 on, in order.
var byteOf = func() map[rune]byte {
	m := map[rune]byte{}
	next := rune(256)
	for i := range 256 {
		if i >= '!' && i <= '~' || i >= 0xa1 && i <= 0xac || i >= 0xae {
			m[rune(i)] = byte(i)
			continue
		}
		m[next] = byte(i)
		next++
	}
	return m
}()

// spelled is the inverse of byteOf.
var spelled = func() (s [256]rune) {
	for r, b := range byteOf {
		s[b] = r
	}
	return s
}()

func toBytes(name string) (string, error) {
	out := make([]byte, 0, len(name))
	for _, r := range name {
		b, ok := byteOf[r]
		if !ok {
			return "", fmt.Errorf("the character %q stands for no byte", r)
		}
		out = append(out, b)
	}
	return string(out), nil
}

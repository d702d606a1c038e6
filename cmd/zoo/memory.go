package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// availableMemory is how many bytes of memory are free, 0 where the system does not say.
func availableMemory() int {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb int
		if strings.HasPrefix(s.Text(), "MemAvailable:") {
			if _, err := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &kb); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// byteSize is a flag such as "2GB" or "512MB", in units of 1024.
type byteSize int

var byteUnits = []struct {
	suffix string
	size   float64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

// Set reads a number with its unit.
func (b *byteSize) Set(text string) error {
	upper := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(text), "iB", "B"))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(upper, u.suffix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err == nil && x > 0 && x*u.size < 1<<60 {
			*b = byteSize(x * u.size)
			return nil
		}
	}
	return fmt.Errorf("%q is no amount of memory: give a number with KB, MB, GB or TB, such as 2GB", text)
}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return megabytes(int(*b))
}

// Type is what help calls the value.
func (b *byteSize) Type() string { return "SIZE" }

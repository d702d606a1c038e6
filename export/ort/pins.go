package ort

import "runtime"

// Version is the ONNX Runtime that [Install] gets. It is the newest one that the official releases, npm and PyPI all carry and
// that was tried with the binding.
const Version = "1.30.0"

// source names a way to get the library.
type source string

const (
	sourceRelease source = "release" // the project's own release archive
	sourceNPM     source = "npm"     // the package onnxruntime-node
	sourcePyPI    source = "pypi"    // the package onnxruntime
)

// pin says what exactly is taken for one (source, operating system, processor), and what its bytes must be.
type pin struct {
	source   source
	os, arch string
	// item is the release's archive name, or the wheel's platform tag; unused for npm, whose package holds all platforms.
	item string
	// member is the library's path inside the archive.
	member string
	// archive is the SHA-256 of the archive as downloaded, library that of the library itself; at least one is given.
	archive, library string
}

const releaseBase = "https://github.com/microsoft/onnxruntime/releases/download/v" + Version + "/"

// pins is the committed checksum table. The library sums of npm and PyPI were computed from the packages themselves. The
// release sums are the digests published for the release's files.
//
// npm's Windows library is not listed: it needs further DLLs beside it.
var pins = []pin{
	{
		sourceRelease, "linux", "amd64", "onnxruntime-linux-x64-1.30.0.tgz", "onnxruntime-linux-x64-1.30.0/lib/libonnxruntime.so.1.30.0",
		"a5ed5a3cac51fbb2e90da632ae43d19212faaa20e76484e62bcb7c23ddb3b3fd", "",
	},
	{
		sourceRelease, "linux", "arm64", "onnxruntime-linux-aarch64-1.30.0.tgz", "onnxruntime-linux-aarch64-1.30.0/lib/libonnxruntime.so.1.30.0",
		"e16a27a8ed330bbc698df7330b0cf56e722f354e3bcc92118682c74ef3c3e3da", "",
	},
	{
		sourceRelease, "darwin", "arm64", "onnxruntime-osx-arm64-1.30.0.tgz", "onnxruntime-osx-arm64-1.30.0/lib/libonnxruntime.1.30.0.dylib",
		"6ebb5062a934537c352937821f9fe9718e7de1a2db1122a93dd363ffd53a7012", "",
	},
	{
		sourceRelease, "windows", "amd64", "onnxruntime-win-x64-1.30.0.zip", "onnxruntime-win-x64-1.30.0/lib/onnxruntime.dll",
		"c6ba983baf5681af108599675d2a89c2d145512d02de28aed0bff177cd0ba949", "",
	},
	{
		sourceRelease, "windows", "arm64", "onnxruntime-win-arm64-1.30.0.zip", "onnxruntime-win-arm64-1.30.0/lib/onnxruntime.dll",
		"e53db8a50b23ae35be901cc93428baf997dc8d420333b097b2eae53d3ea9f2d3", "",
	},

	{
		sourceNPM, "linux", "amd64", "", "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		"", "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23",
	},
	{
		sourceNPM, "linux", "arm64", "", "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
		"", "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76",
	},
	{
		sourceNPM, "darwin", "arm64", "", "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.30.0.dylib",
		"", "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d",
	},

	{
		sourcePyPI, "linux", "amd64", "manylinux_2_28_x86_64", "onnxruntime/capi/libonnxruntime.so.1.30.0",
		"", "c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed",
	},
	{
		sourcePyPI, "linux", "arm64", "manylinux_2_28_aarch64", "onnxruntime/capi/libonnxruntime.so.1.30.0",
		"", "8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789",
	},
	{
		sourcePyPI, "darwin", "arm64", "macosx_14_0_arm64", "onnxruntime/capi/libonnxruntime.1.30.0.dylib",
		"", "b46713ea6a25a5227541c21001f6422c1ccdeaecc369aa026a61b752520325c3",
	},
	{
		sourcePyPI, "windows", "amd64", "win_amd64", "onnxruntime/capi/onnxruntime.dll",
		"", "e42c5c917207ff706530315177e39dca2539695a6a8d968a22225e34291b1f12",
	},
	{
		sourcePyPI, "windows", "arm64", "win_arm64", "onnxruntime/capi/onnxruntime.dll",
		"", "73f0a1ed25a088da5dbc5f76af9c32f8b7dd88033715078b0c04632a9d11f745",
	},
}

// pinsHere lists the pins of this machine's platform, in the order in which they are tried.
func pinsHere() []pin {
	var here []pin
	for _, p := range pins {
		if p.os == runtime.GOOS && p.arch == runtime.GOARCH {
			here = append(here, p)
		}
	}
	return here
}

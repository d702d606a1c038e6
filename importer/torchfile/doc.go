// Package torchfile reads the tensors of files that torch.save wrote: pytorch_model.bin
// and .pt, a zip archive of a pickle (data.pkl) and a record for each storage (data/N).
//
// A pickle is a program that usually may call anything. Here it runs on a machine of its
// own that knows the dictionaries, tuples and tensors of a state dict and nothing else:
// an allow-list of globals ([Globals]), each of which makes one of our own values.
// Everything else is refused by name, and there is no second, looser way to read a file.
//
// The archive is checked more strictly than zip readers do: records are stored, not
// compressed, lie one behind the other from the first byte to the directory, and have the
// same name, size and checksum wherever these are written.
//
// Files from before PyTorch 1.6 (tar, or a bare pickle), big-endian ones and TorchScript are
// errors that say "unsupported"; torch.save(torch.load(old), new) brings old ones up to date.
package torchfile

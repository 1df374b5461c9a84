package archive

import "golang.org/x/sys/unix"

// mapped is memory beside the heap, in large pages where the system has them to give; nil where it cannot be had.
func mapped(size int) (p []byte, free func([]byte) error) {
	p, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil
	}
	return p, unix.Munmap
}

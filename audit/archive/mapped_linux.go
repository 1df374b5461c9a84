package archive

import "golang.org/x/sys/unix"

// mapped is memory beside the heap; nil where it cannot be had.
func mapped(size int) (p []byte, free func([]byte) error) {
	p, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil
	}
	return p, unix.Munmap
}

// populate has p, which begins with a page of mapped memory, filled in one go rather than at a fault for each page. A system that cannot do that leaves it
// at the faults.
func populate(p []byte) { _ = unix.Madvise(p, unix.MADV_POPULATE_WRITE) }

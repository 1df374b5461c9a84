package archive

import "io"

// A storage holds the archive's files by name. A file is written by one process, published whole, and never changed.
type storage interface {
	// String says where it is.
	String() string
	// create makes a file. One of that name which is there already is replaced.
	create(name string) (newFile, error)
	// open opens a file for reading. That it is not there may show only when it is read.
	open(name string) (file, error)
	list() (names []string, err error)
	// size is a file's, in bytes. fs.ErrNotExist: it is not there.
	size(name string) (int64, error)
	remove(name string) error
	// claim writes a small file, whose text it asks for, unless the file is there; and gives what is there then: of two processes both get what one of
	// them wrote.
	claim(name string, fresh func() ([]byte, error)) ([]byte, error)
	// clean removes what earlier processes left unfinished and that list does not give. Only the holder of the night's lock may call it.
	clean() error
	close() error
}

// A file is one that is read. After Close, reading gives fs.ErrClosed, or goes on.
type file interface {
	io.ReaderAt
	io.Closer
}

// A newFile is a file under way. The process that writes it can read it at once, others when it is published.
type newFile interface {
	file
	io.WriterAt
	// settle begins to make durable what was written, up to a byte, so that publish has less to wait for.
	settle(upTo int64)
	publish() error
	published() bool
	// remove removes the file, published or not.
	remove()
}

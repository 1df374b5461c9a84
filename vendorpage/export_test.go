package vendorpage

import "time"

// SetFileTime sets how long a file may take to come.
func (p *Page) SetFileTime(d time.Duration) { p.fileTime = d }

// OnTheirWay is how many files of a vendor are being read.
func (p *Page) OnTheirWay(vendor string) int {
	p.shares.mu.Lock()
	defer p.shares.mu.Unlock()
	return p.shares.of[vendor]
}

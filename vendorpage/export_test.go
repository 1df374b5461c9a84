package vendorpage

import "time"

// SetFileTime sets how long a file may take to come.
func (p *Page) SetFileTime(d time.Duration) { p.fileTime = d }

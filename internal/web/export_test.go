package web

import "time"

// SetTime sets how long a request may take to come.
func (s *Site) SetTime(d time.Duration) { s.time = d }

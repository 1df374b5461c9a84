package notices

import "context"

// TasksOfAll are the tasks as they are where all findings are looked at.
func (d *Desk) TasksOfAll(ctx context.Context) ([]Task, error) {
	v, err := d.view(ctx)
	if err != nil || len(v.nights) == 0 {
		return nil, err
	}
	return v.tasks(ctx)
}

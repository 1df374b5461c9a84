package main

import "github.com/spf13/cobra"

func (c *cli) demoCommand() *cobra.Command       { return &cobra.Command{Use: "demo"} }
func (c *cli) initCommand() *cobra.Command       { return &cobra.Command{Use: "init"} }
func (c *cli) findingsCommand() *cobra.Command   { return &cobra.Command{Use: "findings"} }
func (c *cli) appsCommand() *cobra.Command       { return &cobra.Command{Use: "apps"} }
func (c *cli) checksCommand() *cobra.Command     { return &cobra.Command{Use: "checks"} }
func (c *cli) runsCommand() *cobra.Command       { return &cobra.Command{Use: "runs"} }
func (c *cli) quarantineCommand() *cobra.Command { return &cobra.Command{Use: "quarantine"} }

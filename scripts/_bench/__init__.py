"""What `scripts/bench` runs: keepshell measured beside bare ssh, script, expect and pexpect."""

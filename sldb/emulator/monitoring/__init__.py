"""CloudWatch beyond moto's: metrics from the lines of logs and of the services, and alarms whose state follows them."""

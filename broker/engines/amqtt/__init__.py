"""amqtt as it comes, in our own process, behind connections of ours."""

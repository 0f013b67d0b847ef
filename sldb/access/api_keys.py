"""API keys in API Gateway, and their place in the usage plan of the stack.

A key without an entry in the access document, or without a plan, opens nothing: so the order of the steps is safe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.shared.lock_holder import STACK_TAG
from sldb.aws.errors import aws_errors


@dataclass(frozen=True, slots=True)
class ApiKey:
    key_id: str
    value: str = field(repr=False)  # the secret


@dataclass(frozen=True, slots=True)
class ApiKeys:
    client: Any  # of API Gateway's REST APIs
    stack: str

    def create(self, name: str) -> ApiKey:
        """Return a new key, which is in no plan yet. Raises SldbError."""
        with aws_errors("make an API key"):
            made = self.client.create_api_key(
                name=f"{self.stack}-{name}",
                description=f"sldb: caller {name} of the stack {self.stack}",
                enabled=True,
                tags={STACK_TAG: self.stack},
            )
        return ApiKey(made["id"], made["value"])

    def add_to_plan(self, key_id: str, plan_id: str) -> None:
        """Put a key into a usage plan. Raises SldbError."""
        with aws_errors("put the API key into the usage plan of the stack"):
            self.client.create_usage_plan_key(usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")

    def delete(self, key_id: str) -> None:
        """Delete a key, which takes it out of its plans. Does nothing if it does not exist. Raises SldbError."""
        from botocore.exceptions import ClientError

        with aws_errors(f"delete the API key {key_id}"):
            try:
                self.client.delete_api_key(apiKey=key_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NotFoundException":
                    raise

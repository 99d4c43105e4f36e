import { Buffer } from "node:buffer";
import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { failureCauseOf } from "../../control/http/error_texts.ts";
import { serializedThrowable } from "../../control/http/serialized_throwable.ts";

/** Read by Java 17 as a SerializedThrowable with this class name, message and stack trace. */
const READ_BY_JAVA =
  "rO0ABXNyAClvcmcuYXBhY2hlLmZsaW5rLnV0aWwuU2VyaWFsaXplZFRocm93YWJsZWUWnfUfpxPzAgADTAAZZnVsbFN0cmluZ2lm" +
  "aWVkU3RhY2tUcmFjZXQAEkxqYXZhL2xhbmcvU3RyaW5nO0wAFm9yaWdpbmFsRXJyb3JDbGFzc05hbWV0ABJMamF2YS9sYW5nL1N0" +
  "cmluZztbABNzZXJpYWxpemVkRXhjZXB0aW9udAACW0J4cgATamF2YS5sYW5nLkV4Y2VwdGlvbtD9Hz4aOxzEAgAAeHIAE2phdmEu" +
  "bGFuZy5UaHJvd2FibGXVxjUnOXe4ywMABEwABWNhdXNldAAVTGphdmEvbGFuZy9UaHJvd2FibGU7TAANZGV0YWlsTWVzc2FnZXQA" +
  "EkxqYXZhL2xhbmcvU3RyaW5nO1sACnN0YWNrVHJhY2V0AB5bTGphdmEvbGFuZy9TdGFja1RyYWNlRWxlbWVudDtMABRzdXBwcmVz" +
  "c2VkRXhjZXB0aW9uc3QAEExqYXZhL3V0aWwvTGlzdDt4cHB0AALDvHBweHQAD1N0cmVhbUVycm9yOiDDvHQAC1N0cmVhbUVycm9y" +
  "cA==";

test("serializedThrowable() writes what Java reads", () => {
  const texts = { className: "StreamError", message: "ü", stackTrace: "StreamError: ü" };
  equal(serializedThrowable(texts), READ_BY_JAVA);
});

test("serializedThrowable() writes texts of any length", () => {
  const sizeOf = (length: number) => {
    const stackTrace = "x".repeat(length);
    return Buffer.from(serializedThrowable({ className: "E", message: "", stackTrace }), "base64").length;
  };
  const overhead = sizeOf(0);
  equal(sizeOf(65_535), overhead + 65_535);
  // From here on the length itself takes eight bytes.
  equal(sizeOf(65_536), overhead + 65_536 + 6);
});

test("failureCauseOf() has the frames in the Java object, too, only for who may see them", () => {
  const bytesFor = (withStack: boolean): string => {
    const cause = failureCauseOf(new Error("broken"), withStack);
    return Buffer.from(cause["serialized-throwable"], "base64").toString("latin1");
  };
  ok(bytesFor(true).includes("http_throwable_test"));
  ok(!bytesFor(false).includes("http_throwable_test"));
  ok(bytesFor(false).includes("Error: broken"));
});

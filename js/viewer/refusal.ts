/** Why a request is not taken, as OTLP/HTTP answers it: https://opentelemetry.io/docs/specs/otlp/#failures-1 */

/** Numbers of `google.rpc.Code`. */
export const INVALID_ARGUMENT = 3;
export const NOT_FOUND = 5;
export const RESOURCE_EXHAUSTED = 8;
export const UNIMPLEMENTED = 12;
export const INTERNAL = 13;
export const UNAVAILABLE = 14;

export class Refusal extends Error {
  constructor(
    readonly httpStatus: number,
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

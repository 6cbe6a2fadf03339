/** Numbers as people read them. */
import type { AttributeValue } from '../model.js';

export function duration(ms: number): string {
  if (ms === 0) return '0 ms';
  if (ms < 0.001) return `${Math.round(ms * 1e6)} ns`;
  if (ms < 1) return `${digits(ms * 1000)} µs`;
  if (ms < 999.5) return `${digits(ms)} ms`;
  if (ms < 59_995) return `${digits(ms / 1000)} s`;
  const minutes = Math.floor(Math.round(ms / 1000) / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(ms / 1000) % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Three digits at most that matter. */
function digits(number: number): string {
  return String(Number(number.toPrecision(3)));
}

const NANOS_PER_MS = 1_000_000n;
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hourCycle: 'h23',
});
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

export function timeOfDay(unixNano: string | bigint): string {
  return clock.format(Number(BigInt(unixNano) / NANOS_PER_MS));
}

export function date(unixNano: string | bigint): string {
  return calendar.format(Number(BigInt(unixNano) / NANOS_PER_MS));
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

export function megabytes(bytes: number): string {
  return `${digits(bytes / 1e6)} MB`;
}

export function attributeText(value: AttributeValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Round times from 0 up to the end, so that about `wanted` of them fit. */
export function axisTicks(durationMs: number, wanted: number): number[] {
  if (!(durationMs > 0)) return [0];
  const rough = durationMs / wanted;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const stepMs = magnitude * ([1, 2, 5].find((factor) => factor * magnitude >= rough) ?? 10);
  return Array.from({ length: Math.floor(durationMs / stepMs) + 1 }, (_, index) => index * stepMs);
}

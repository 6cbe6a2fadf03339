// A page without an SDK.

export function start() {}
export async function send() {}

// What a customer does in the shop, for a browser that is driven. Everything is found the way a person finds it: by its role and name.

export const browserArguments = [
  '--no-sandbox', // Chromium has no sandbox where everything runs as root, as in containers
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
];

export async function openShop(page, pageUrl) {
  await page.goto(pageUrl);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('listitem').first().waitFor();
}

export async function openProduct(page, name) {
  await page.getByRole('navigation').getByRole('link', { name: 'Products' }).click();
  await page.getByRole('link', { name }).click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

export async function addToCart(page, quantity) {
  for (let clicks = 0; clicks < quantity; clicks++) await page.getByRole('button', { name: 'Add to cart' }).click();
}

/** Pays what is in the cart, and waits for the answer. */
export async function pay(page, { delayMs, fail }) {
  await page.getByRole('navigation').getByRole('link', { name: 'Cart' }).click();
  await page.getByLabel('The payment takes').selectOption(String(delayMs));
  await page.getByLabel('and fails').setChecked(fail);
  await page.getByRole('button', { name: /^Pay/ }).click();
  const answer = fail ? page.getByRole('alert') : page.getByRole('status').filter({ hasText: 'Thank you' });
  await answer.waitFor();
}

CREATE TABLE product (
  sku TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  price_cents INTEGER NOT NULL
);

CREATE TABLE purchase (
  id INTEGER PRIMARY KEY,
  total_cents INTEGER NOT NULL
);

CREATE TABLE purchase_line (
  purchase_id INTEGER NOT NULL REFERENCES purchase (id),
  sku TEXT NOT NULL REFERENCES product (sku),
  quantity INTEGER NOT NULL,
  price_cents INTEGER NOT NULL
);

INSERT INTO product (sku, name, description, price_cents) VALUES
  ('compass', 'Brass compass', 'Points north, whatever the wind says. Liquid-damped needle, lid that closes with a click.', 4900),
  ('lantern', 'Storm lantern', 'Burns a whole night on one filling, and the wind does not put it out.', 6450),
  ('rope', 'Climbing rope, 30 m', 'Dynamic, 9.8 mm, with a mark in the middle so that nobody has to guess.', 8990),
  ('kettle', 'Camp kettle', 'One litre boils in four minutes. The handle folds flat and stays cool.', 3200),
  ('map', 'Star map', 'Turn it to the date and the hour, and it shows the sky above you.', 1850),
  ('tent', 'Two-person tent', 'Up in five minutes, 1.9 kg, dry through a week of rain.', 28900);

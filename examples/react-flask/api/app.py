"""The shop's API.

It knows nothing about the tracing of the page: `opentelemetry-instrument` (OpenTelemetry's own, see README.md) traces Flask,
sqlite3 and requests, reads the incoming `traceparent`, and is configured by the standard OTEL_* environment variables. The one
thing written by hand is the span around the payment.
"""

import os
import sqlite3
import time
from pathlib import Path

import requests
from flask import Flask, abort, g, jsonify, request
from flask_cors import CORS
from opentelemetry import trace
from werkzeug.exceptions import HTTPException

PAGE_ORIGIN = os.environ["SHOP_PAGE_ORIGIN"]
STOCK_URL = os.environ["SHOP_STOCK_URL"]
DATABASE = os.environ["SHOP_DATABASE"]
PORT = int(os.environ["SHOP_API_PORT"])

STOCK_TIMEOUT_SECONDS = 5
LONGEST_DELAY_MS = 10_000

tracer = trace.get_tracer("shop-api")
app = Flask(__name__)

# Exactly what a backend that was set up for tracing by hand allows: the content type and `traceparent`, nothing else.
# Browsers remember the answer to a preflight for five seconds unless `max_age` says otherwise.
CORS(
    app,
    origins=[PAGE_ORIGIN],
    methods=["GET", "POST"],
    allow_headers=["Content-Type", "traceparent"],
    max_age=7200,
)


class PaymentFailed(Exception):
    """The payment provider did not take the money."""


def create_database():
    """Every start begins with an empty order book."""
    Path(DATABASE).unlink(missing_ok=True)
    connection = sqlite3.connect(DATABASE)
    connection.executescript((Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"))
    connection.close()


def database():
    """The request's connection. OpenTelemetry traces what goes through a cursor; `connection.execute` it does not see."""
    if "database" not in g:
        g.database = sqlite3.connect(DATABASE)
        g.database.row_factory = sqlite3.Row
    return g.database


@app.teardown_appcontext
def close_database(_error):
    if "database" in g:
        g.database.close()


@app.errorhandler(HTTPException)
def tell_refusal(error):
    return jsonify(error=error.description), error.code


@app.errorhandler(PaymentFailed)
def tell_payment_failure(error):
    # An answer made by a handler passes through Flask-CORS. A 500 without CORS headers would look to the page like a network failure.
    return jsonify(error=str(error)), 500


@app.errorhandler(requests.RequestException)
def tell_stock_failure(_error):
    return jsonify(error="The stock service does not answer."), 502


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.get("/products")
def list_products():
    rows = database().cursor().execute("SELECT sku, name, price_cents FROM product ORDER BY name").fetchall()
    return jsonify([product_json(row) for row in rows])


@app.get("/products/<sku>")
def show_product(sku):
    row = database().cursor().execute("SELECT * FROM product WHERE sku = ?", (sku,)).fetchone()
    if row is None:
        abort(404, f"There is no product {sku!r}.")
    return jsonify({**product_json(row), "description": row["description"], "inStock": ask_stock(sku)})


@app.get("/products/<sku>/related")
def list_related(sku):
    rows = database().cursor().execute("SELECT sku, name, price_cents FROM product WHERE sku <> ? ORDER BY name LIMIT 3", (sku,)).fetchall()
    return jsonify([product_json(row) for row in rows])


@app.post("/checkout")
def checkout():
    """Sells a cart: `[{"sku": "map", "quantity": 1}]`. `?delay=` (milliseconds) and `?fail=1` act on the payment."""
    delay_ms = min(request.args.get("delay", default=0, type=int), LONGEST_DELAY_MS)
    fail = request.args.get("fail") == "1"
    cart = read_cart(request.get_json())

    prices = read_prices(cart)
    for sku, quantity in cart.items():
        in_stock = ask_stock(sku)
        if in_stock < quantity:
            abort(409, f"Only {in_stock} of {sku!r} left, {quantity} wanted.")
    total_cents = sum(prices[sku] * quantity for sku, quantity in cart.items())

    charge_card(total_cents, delay_ms, fail)

    with database() as connection:
        cursor = connection.cursor()
        order_id = cursor.execute("INSERT INTO purchase (total_cents) VALUES (?)", (total_cents,)).lastrowid
        cursor.executemany(
            "INSERT INTO purchase_line (purchase_id, sku, quantity, price_cents) VALUES (?, ?, ?, ?)",
            [(order_id, sku, quantity, prices[sku]) for sku, quantity in cart.items()],
        )
    return jsonify(orderId=order_id, totalCents=total_cents), 201


def charge_card(total_cents, delay_ms, fail):
    """Stands in for a payment provider: as slow and as broken as it is told to be."""
    with tracer.start_as_current_span("charge card") as span:
        span.set_attribute("shop.payment.amount_cents", total_cents)
        span.set_attribute("shop.payment.currency", "EUR")
        time.sleep(max(delay_ms, 0) / 1000)
        if fail:
            raise PaymentFailed("The payment provider did not answer.")
        span.add_event("card authorised", {"shop.payment.attempts": 1})


def read_cart(lines):
    """Quantities by sku, or 400 with what was wrong."""
    if not isinstance(lines, list) or not lines:
        abort(400, "A cart is a list of at least one {sku, quantity}.")
    cart = {}
    for line in lines:
        sku, quantity = (line.get("sku"), line.get("quantity")) if isinstance(line, dict) else (None, None)
        if not isinstance(sku, str) or type(quantity) is not int or quantity < 1:
            abort(400, f"A line of a cart is {{sku: text, quantity: whole number from 1}}, not {line!r}.")
        cart[sku] = cart.get(sku, 0) + quantity
    return cart


def read_prices(cart):
    marks = ", ".join("?" for _ in cart)
    rows = database().cursor().execute(f"SELECT sku, price_cents FROM product WHERE sku IN ({marks})", tuple(cart)).fetchall()
    prices = {row["sku"]: row["price_cents"] for row in rows}
    for sku in cart:
        if sku not in prices:
            abort(404, f"There is no product {sku!r}.")
    return prices


def ask_stock(sku):
    response = requests.get(f"{STOCK_URL}/stock/{sku}", timeout=STOCK_TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.json()["inStock"]


def product_json(row):
    return {"sku": row["sku"], "name": row["name"], "priceCents": row["price_cents"]}


if __name__ == "__main__":
    create_database()
    app.run(host="127.0.0.1", port=PORT, threaded=True)

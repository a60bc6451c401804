// The bar of an export: asks how far it is, sets numbers and text, and loads
// the page anew when it has ended. Without it the page comes again by itself.
const bar = document.getElementById("bar");

async function ask() {
  const answer = await fetch(bar.dataset.progress, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  const now = await answer.json();
  if (now.ended) return location.reload();
  if (now.total > 0) { bar.max = now.total; bar.value = now.done; }
  document.getElementById("how-far").textContent = now.text;
}

if (bar) {
  const again = () => setTimeout(() => ask().catch(() => {}).finally(again), 1000);
  again();
}

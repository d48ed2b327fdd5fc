// A moment to choose, in the reader's zone; a form sends it as epoch milliseconds.
const two = (number) => String(number).padStart(2, "0");

function local(ms) {
  const at = new Date(ms);
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day}T${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

export default {
  emits: ["chosen"],
  props: { ms: Number, name: String, label: String },
  template: `<span class="row">
    <input type="datetime-local" step="1" required :aria-label="label" v-model="said">
    <input type="hidden" :name="name" :value="chosen">
    <span class="muted small">{{ zone }}</span>
  </span>`,
  data() {
    return { said: local(this.ms), zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
  },
  watch: {
    chosen(ms) { this.$emit("chosen", ms || 0); },
  },
  computed: {
    chosen() {
      const ms = new Date(this.said).getTime();
      return Number.isNaN(ms) ? "" : ms;
    },
  },
};

package desk

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const instructions = `You work at the order desk of a shop, for one user per conversation.

Find out first who the user is: by email, or by name and zip code, also if you are given a user id. Refuse what concerns other users.

Look before you act, and say only what the tools tell you. Pending orders can be cancelled or changed; delivered ones can be returned or exchanged. Items of an order are changed, exchanged or returned once: collect all of them before you call the tool. Some calls wait for the approval of a colleague; if one is denied, tell the user.

Hand over to a colleague what the tools cannot do, and nothing else.`

// Agent returns the agent of the desk.
func (d *Desk) Agent(model llm.Model) *agent.Agent {
	return &agent.Agent{Name: "order-desk", Instructions: instructions, Model: model, Tools: d.Tools()}
}

// Tools returns the tools of the desk. All tools are idempotent, so a new process
// may continue the work of a dead process.
func (d *Desk) Tools() []tool.Tool {
	again := tool.Idempotent()
	return []tool.Tool{
		tool.Must(tool.New("find_user_id_by_email", "Finds the id of a user by the email address.", look(d, findByEmail), again)),
		tool.Must(tool.New("find_user_id_by_name_zip", "Finds the id of a user by name and zip code, for those whose email address is not known.",
			look(d, findByName), again)),
		tool.Must(tool.New("get_user_details", "A user's profile, with the methods of payment and the ids of the orders.", look(d, userDetails), again)),
		tool.Must(tool.New("get_order_details", "An order: items, status, parcels and payments.", look(d, orderDetails), again)),
		tool.Must(tool.New("get_product_details", "A product and all its variants, with prices and whether they are available.", look(d, productDetails), again)),
		tool.Must(tool.New("list_all_product_types", "The products of the shop: name and product id.", look(d, productTypes), again)),

		tool.Must(tool.New("cancel_pending_order", "Cancels a pending order and gives the money back: to a gift card at once, else within a week.",
			change(d, cancelOrder), again, over(d, cancelAmount))),
		tool.Must(tool.New("modify_pending_order_address", "Changes where a pending order is sent.", change(d, changeOrderAddress), again)),
		tool.Must(tool.New("modify_pending_order_payment", "Changes how a pending order is paid.",
			change(d, changePayment), again, over(d, paymentAmount))),
		tool.Must(tool.New("modify_pending_order_items", "Changes items of a pending order to other variants of the same products, and settles the difference. "+
			"Once for an order, which can then not be cancelled or changed any more.", change(d, modifyItems), again, over(d, modifyAmount))),
		tool.Must(tool.New("exchange_delivered_order_items", "Asks for an exchange of items of a delivered order for other variants of the same products. Once for an order.",
			change(d, exchangeItems), again, over(d, exchangeAmount))),
		tool.Must(tool.New("return_delivered_order_items", "Asks for a return of items of a delivered order. Once for an order; the user gets an email that says how.",
			change(d, returnItems), again, over(d, returnAmount))),
		tool.Must(tool.New("modify_user_address", "Changes the address in a user's profile; orders keep theirs.", change(d, changeUserAddress), again)),

		tool.Must(tool.New("calculate", "Calculates an expression, rounded to two places.", calculate, again)),
		tool.Must(tool.New("think", "A place to write a thought down. It changes nothing and tells nothing new.", think, again)),
		tool.Must(tool.New("transfer_to_human_agents", "Hands the user over to a colleague.", transfer, again)),
	}
}

type thinkArgs struct {
	Thought string `json:"thought"`
}

func think(context.Context, thinkArgs) (string, error) { return "", nil }

type transferArgs struct {
	Summary string `json:"summary" jsonschema_description:"What the user wants, for the colleague who takes over"`
}

// transfer notifies no one: the journal has the conversation, with the call.
func transfer(context.Context, transferArgs) (string, error) { return "Transfer successful", nil }
